"""`pinnace token create | list | delete | generate`: bootstrap tokens of a running cluster, with kubeadm's flags and words."""

import base64
import json
import re
import secrets
import string
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pinnace.api.core import bootstrap_tokens as rules
from pinnace.api.meta import Object
from pinnace.api.resources import SECRETS
from pinnace.apimachinery.times import format_time
from pinnace.cluster import joining
from pinnace.cluster.api import ClusterApi
from pinnace.cluster.errors import UsageError
from pinnace.cluster.security import check_duration, seconds
from pinnace.cluster.state import RunState
from pinnace.component.blocking_clock import BlockingClock

TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})\Z")
TOKEN_ID = re.compile(r"[a-z0-9]{6}\Z")
GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\Z")
ALPHABET = string.ascii_lowercase + string.digits
USAGES = ("signing", "authentication")
COLUMNS = ("TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS")


def _now() -> datetime:
    return datetime.fromtimestamp(BlockingClock().time(), UTC)


def generate() -> str:
    def part(length: int) -> str:
        return "".join(secrets.choice(ALPHABET) for _ in range(length))

    return f"{part(6)}.{part(16)}"


def secret(
    token: str, *, expires: datetime | None, description: str, usages: Sequence[str], groups: str
) -> Object:
    identity, key = token.split(".")
    data = {"token-id": identity, "token-secret": key}
    data |= {f"usage-bootstrap-{usage}": "true" for usage in usages}
    if expires is not None:
        data["expiration"] = format_time(expires)
    if description:
        data["description"] = description
    if groups:
        data["auth-extra-groups"] = groups
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    metadata = {"name": rules.PREFIX + identity, "namespace": rules.NAMESPACE}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": rules.SECRET_TYPE,
        "metadata": metadata,
        "data": encoded,
    }


def row(found: Object, now: datetime) -> dict[str, str]:
    """One line of `token list`."""

    def text(name: str) -> str:
        return rules.field(found, name)

    left = rules.seconds_left(found, now)
    usages = ",".join(usage for usage in sorted(USAGES) if rules.may(found, usage))
    cells = (
        f"{text('token-id')}.{text('token-secret')}", "<forever>" if left is None else _short(left),
        text("expiration") or "<never>", usages or "<none>", text("description") or "<none>", text("auth-extra-groups") or "<none>",
    )  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))


def _short(left: float) -> str:
    """As kubectl shows ages: the largest unit that says something."""
    if left <= 0:
        return "<invalid>"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if left >= 2 * size or (unit == "h" and left >= size):
            return f"{int(left // size)}{unit}"
    return f"{int(left)}s"


def command(args: Namespace, directory: Path, name: str) -> int:
    """Raises UsageError in words for the user."""
    if args.command == "generate":
        sys.stdout.write(generate() + "\n")
        return 0
    state = RunState(directory)
    record = state.read()
    if not state.is_running() or not record.get("joinServer"):
        raise UsageError(f"cluster {name!r} is not running: start it with `pinnace up`")
    try:
        return _run(args, ClusterApi(record["server"], directory), record, (directory / "ca.crt").read_text())
    except (RuntimeError, OSError) as error:
        raise UsageError(str(error)) from error


def _run(args: Namespace, api: ClusterApi, record: dict[str, Any], ca: str) -> int:
    if args.command == "create":
        sys.stdout.write(create(args, api, record, ca) + "\n")
    elif args.command == "delete":
        for given in args.token:
            identity = given.partition(".")[0]
            if not (TOKEN.match(given) or TOKEN_ID.match(given)):
                raise UsageError(
                    f'given token "{given}" didn\'t match pattern "[a-z0-9]{{6}}" or "[a-z0-9]{{6}}.[a-z0-9]{{16}}"'
                )
            api.request("DELETE", SECRETS.path(rules.NAMESPACE, rules.PREFIX + identity))
            sys.stdout.write(f'bootstrap token "{identity}" deleted\n')
    else:
        query = f"?fieldSelector=type%3D{rules.SECRET_TYPE.replace('/', '%2F')}"
        items = api.request("GET", SECRETS.path(rules.NAMESPACE) + query).get("items") or []
        rows = [row(item, _now()) for item in items]
        if args.output == "json":
            sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        elif rows:
            sys.stdout.write(_table(rows))
    return 0


def create(args: Namespace, api: ClusterApi, record: dict[str, Any], ca: str) -> str:
    """Make the token and what joining needs beside it; the token, or with --print-join-command the whole line."""
    token = args.token or generate()
    if not TOKEN.match(token):
        raise UsageError(f'the bootstrap token "{token}" was not of the form "[a-z0-9]{{6}}.[a-z0-9]{{16}}"')
    if args.ttl != "0":
        check_duration("ttl", args.ttl)
    usages = [part.strip() for part in args.usages.split(",") if part.strip()]
    if wrong := [usage for usage in usages if usage not in USAGES]:
        raise UsageError(f"invalid bootstrap token usage: {wrong[0]}; there are {', '.join(USAGES)}")
    if wrong := [group for group in filter(None, args.groups.split(",")) if not GROUP.match(group)]:
        raise UsageError(f'bootstrap group "{wrong[0]}" is invalid (must match {GROUP.pattern[:-2]})')
    left = seconds(args.ttl, 0.0)
    expires = _now() + timedelta(seconds=left) if left else None
    made = secret(token, expires=expires, description=args.description, usages=usages, groups=args.groups)
    settings = {
        "clusterCIDR": record["podCIDR"], "serviceCIDR": record["serviceCIDR"], "clusterDNS": record["clusterDNS"],
        "clusterDomain": record["clusterDomain"],
    }  # fmt: skip
    for needed in joining.objects(record["joinServer"], ca, settings):
        api.apply(needed)
    api.request("POST", SECRETS.path(rules.NAMESPACE), made)
    return joining.join_command(record["joinServer"], token, ca) if args.print_join_command else token


def _table(rows: list[dict[str, str]]) -> str:
    widths = {name: max(len(name), *(len(one[name]) for one in rows)) for name in COLUMNS}
    lines = [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]
    return "".join(
        "   ".join(line[name].ljust(widths[name]) for name in COLUMNS).rstrip() + "\n" for line in lines
    )
