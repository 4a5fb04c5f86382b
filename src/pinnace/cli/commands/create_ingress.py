"""`create ingress` and `create quota`: manifests from flags."""

import re
from collections.abc import Iterable
from typing import Any

from pinnace.apimachinery import quantity
from pinnace.cli.commands.create_generators import the_name
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values

Object = dict[str, Any]
_RULE = re.compile(r"(?P<host>[\w*\-.]*)(?P<path>/.*)=(?P<service>[\w\-]+):(?P<port>[\w\-]+)\Z")
_TLS = re.compile(r"tls(?:=(?P<secret>[\w\-]+))?\Z")


def ingress(flags: Values, arguments: list[str]) -> Iterable[Object]:
    name, default, rules = the_name(arguments), flags["default-backend"], flags["rule"]
    if not default and not rules:
        raise CliError(
            "not enough information provided: every ingress has to either specify a default-backend (which catches all "
            "traffic) or a list of rules (which catch specific paths)"
        )
    for text in rules:
        if not _RULE.match(text.partition(",")[0]):
            raise CliError(
                f"rule {text} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
            )
    for text in flags["annotation"]:
        if "=" not in text:
            raise CliError(f"annotation {text} is invalid and should be in format key=[value]")
    if default and default.count(":") != 1:
        raise CliError("default-backend should be in format servicename:serviceport")
    metadata: Object = {"name": name}
    if flags["annotation"]:
        metadata["annotations"] = dict(text.split("=", 1) for text in flags["annotation"])
    spec: Object = {"ingressClassName": flags["class"]} if flags["class"] else {}
    if default:
        spec["defaultBackend"] = _backend(*default.split(":"))
    if rules:
        spec["rules"] = _rules(rules)
    if tls_entries := _tls(rules):
        spec["tls"] = tls_entries
    yield {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec,
        "status": {"loadBalancer": {}},
    }  # fmt: skip


def _backend(service: str, port: str) -> Object:
    return {"service": {"name": service, "port": {"number": int(port)} if port.isdigit() else {"name": port}}}


def _rules(texts: list[str]) -> list[Object]:
    """The paths of each host together."""
    hosts: dict[str, list[Object]] = {}
    for text in texts:
        found = _RULE.match(text.partition(",")[0])
        assert found is not None
        path = found["path"]
        kind = "Prefix" if path.endswith("*") else "Exact"
        entry = {
            "path": path.removesuffix("*"),
            "pathType": kind,
            "backend": _backend(found["service"], found["port"]),
        }
        hosts.setdefault(found["host"], []).append(entry)
    return [{**({"host": host} if host else {}), "http": {"paths": paths}} for host, paths in hosts.items()]


def _tls(texts: list[str]) -> list[Object]:
    """The hosts of each secret together."""
    hosts: dict[str, list[str]] = {}
    for text in texts:
        target, comma, tls = text.partition(",")
        rule, found = _RULE.match(target), _TLS.match(tls)
        if comma and rule and found:
            known = hosts.setdefault(found["secret"] or "", [])
            if rule["host"] and rule["host"] not in known:
                known.append(rule["host"])
    return [
        {**({"hosts": names} if names else {}), **({"secretName": secret} if secret else {})}
        for secret, names in hosts.items()
        if names or secret
    ]


def quota(flags: Values, arguments: list[str]) -> Iterable[Object]:
    name, spec = the_name(arguments), {}
    hard = dict(_hard(text) for text in flags["hard"].split(",")) if flags["hard"] else {}
    if hard:
        spec["hard"] = hard
    if flags["scopes"]:
        spec["scopes"] = flags["scopes"].split(",")
    yield {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name},
        "spec": spec,
        "status": {},
    }


def _hard(text: str) -> tuple[str, str]:
    resource, equals, amount = text.partition("=")
    if not equals or "=" in amount:
        raise CliError(f"Invalid argument syntax {text}, expected <resource>=<value>")
    try:
        return resource, quantity.canonical(amount)
    except ValueError as error:
        raise CliError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        ) from error
