"""Commands that change a part of objects and send the difference (`set ...`): local manifests, dry runs, one error per object."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.schema import schemas
from pinnace.cli import dry_run, printers
from pinnace.cli.builder import Selection, from_files, has_files, resolve
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, SELECTION
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session
from pinnace.cli.three_way import patch_for

Object = dict[str, Any]
FLAGS = (
    *FILES, *OUTPUT, SELECTION[0], DRY_RUN, FIELD_MANAGER,
    Flag("all", kind="bool", help="All resources of the types in the namespace."),
    Flag("local", kind="bool", help="Change the objects of files without asking the server."),
)  # fmt: skip
_TEMPLATES = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "ReplicationController", "Job")


class Change(NamedTuple):
    """`change` alters the copy that it is given, and names what it did not find; raises CliError when nothing can be done.

    `failed` stands before what the server says against it; without it the server's answer ends the command.
    """

    change: Callable[[Selection, Object], list[str]]
    done: str
    failed: str = ""
    says_unchanged: bool = False  # some commands report objects that were so already


def chosen(session: Session, flags: Values, arguments: list[str]) -> Iterator[tuple[Selection, Object]]:
    """The objects, from the server or, with --local, as the files have them."""
    if not flags["local"]:
        yield from resolve(session, arguments, flags)
        return
    if arguments or not has_files(flags):
        raise CliError(
            "you must specify resources by --filename when --local is set.\n"
            "Example resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'"
        )
    for one in from_files(session, flags):
        yield one, one.manifest or {}


def run(session: Session, flags: Values, arguments: list[str], what: Change) -> int:
    """All objects get their turn; then come the errors of those that could not be changed."""
    check(flags)
    errors: list[str] = []
    for one, before in chosen(session, flags, arguments):
        after = copied(before)
        try:
            errors += what.change(one, after)
        except CliError as error:
            errors.append(f"{one.resource.name}/{one.name} {error}")
            continue
        if after == before and not what.says_unchanged:
            continue
        try:
            send(session, flags, one, (before, after), what.done)
        except ServerError as error:
            if not what.failed:
                raise
            errors.append(f"{what.failed} {error}")
    if errors:
        raise PlainError("\n".join(f"error: {error}" for error in errors))
    return 0


def check(flags: Values) -> None:
    if flags["local"] and dry_run.mode(flags) == "server":
        raise CliError("cannot specify --local and --dry-run=server - did you mean --dry-run=client?")


def send(session: Session, flags: Values, one: Selection, states: tuple[Object, Object], done: str) -> None:
    """The difference of the two states to the server, unless it is a dry run of ours; and the answer to the user."""
    before, after = states
    new = after
    if not flags["local"] and dry_run.mode(flags) != "client":
        schema = schemas.for_gvk(GVK(one.resource.group, one.resource.version, one.resource.kind))
        kind = "merge-patch" if schema is None else "strategic-merge-patch"
        new = session.http.request(
            "PATCH", one.path, dry_run.query(flags, "kubectl-set"), patch_for(before, after, before, schema),
            content_type=f"application/{kind}+json",
        )  # fmt: skip
    printers.printer(flags, lambda _: one.shown, f"{done}{dry_run.suffix(flags)}")(new)


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


# --- pods and what makes pods


def pod_spec(one: Selection, obj: Object) -> Object:
    """The spec of the pod, or of the template for pods; raises CliError when there is none."""
    kind = one.resource.kind
    if kind in _TEMPLATES:
        obj = obj["spec"].setdefault("template", {})
    elif kind == "CronJob":
        obj = obj["spec"]["jobTemplate"]["spec"]["template"]
    elif kind != "Pod":
        raise CliError(
            f"the object is not a pod or does not have a pod template: *{one.resource.version}.{kind}"
        )
    spec: Object = obj.setdefault("spec", {})
    return spec


def selected_containers(spec: Object, pattern: str) -> list[Object]:
    """Containers, then init containers, whose names match (`*` is allowed)."""
    from fnmatch import fnmatchcase

    both = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return [container for container in both if fnmatchcase(container["name"], pattern)]
