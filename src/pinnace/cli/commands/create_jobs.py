"""`create job` and `create cronjob`: manifests from flags, and a Job from what a CronJob would make."""

from collections.abc import Iterable
from typing import Any

from pinnace.cli.builder import fetch, select
from pinnace.cli.commands.create_generators import the_name
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values
from pinnace.cli.session import Session

Object = dict[str, Any]


def cron_job(flags: Values, arguments: list[str]) -> Iterable[Object]:
    name, command = _name_and_command(flags, arguments)
    missing = ", ".join(f'"{flag}"' for flag in ("image", "schedule") if not flags[flag])
    if missing:
        raise CliError(f"required flag(s) {missing} not set")
    pod = _pod(name, flags["image"], command, flags["restart"] or "OnFailure")
    yield {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": flags["schedule"],
            "jobTemplate": {"metadata": {"name": name}, "spec": {"template": pod}},
        },
        "status": {},
    }


def job(session: Session, flags: Values, arguments: list[str]) -> Iterable[Object]:
    name, command = _name_and_command(flags, arguments)
    if bool(flags["image"]) == bool(flags["from"]):
        raise CliError("either --image or --from must be specified")
    if command and flags["from"]:
        raise CliError("cannot specify --from and command")
    if flags["from"]:
        yield _as_made_by(name, _named_cron_job(session, flags, flags["from"]))
        return
    spec = {"template": _pod(name, flags["image"], command, "Never")}
    yield {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec, "status": {},
    }  # fmt: skip


def _named_cron_job(session: Session, flags: Values, which: str) -> Object:
    found = [obj for one in select(session, [which], flags) for obj in fetch(session, one, flags)]
    if len(found) != 1:
        raise CliError("from must be an existing cronjob")
    if found[0]["kind"] != "CronJob":
        raise CliError(f"unknown object type *v1.{found[0]['kind']}")
    return found[0]


def _as_made_by(name: str, cron: Object) -> Object:
    template = cron["spec"]["jobTemplate"]
    source = template.get("metadata") or {}
    metadata: Object = {
        "name": name,
        "annotations": {"cronjob.kubernetes.io/instantiate": "manual", **(source.get("annotations") or {})},
        "ownerReferences": [{
            "apiVersion": "batch/v1", "kind": "CronJob", "name": cron["metadata"]["name"],
            "uid": cron["metadata"]["uid"], "controller": True,
        }],
    }  # fmt: skip
    if source.get("labels"):
        metadata["labels"] = source["labels"]
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"], "status": {},
    }  # fmt: skip


def _name_and_command(flags: Values, arguments: list[str]) -> tuple[str, list[str]]:
    split = flags["--"]
    if split < 0:
        return the_name(arguments), []
    return the_name(arguments[:split]), arguments[split:]


def _pod(name: str, image: str, command: list[str], restart: str) -> Object:
    container: Object = {"name": name, "image": image, "resources": {}}
    if command:
        container["command"] = command
    return {"metadata": {}, "spec": {"containers": [container], "restartPolicy": restart}}
