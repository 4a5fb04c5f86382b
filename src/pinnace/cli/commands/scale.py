"""`scale`: the number of replicas of whatever has a scale subresource."""

from collections.abc import Iterator
from typing import Any

from pinnace.cli import clock, dry_run, printers
from pinnace.cli.builder import Selection, has_files, resolve
from pinnace.cli.command import DRY_RUN, FILES, OUTPUT, SELECTOR, Command
from pinnace.cli.errors import CliError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    wanted = flags["replicas"]
    if "replicas" not in flags.given:
        raise CliError('required flag(s) "replicas" not set')
    if wanted < 0:
        raise CliError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    scaled: list[Selection] = []
    for one, obj in _found(session, flags, arguments):
        _scale(session, flags, one, wanted)
        scaled.append(one)
        printers.printer(flags, lambda _, one=one: one.shown, f"scaled{dry_run.suffix(flags)}")(obj)  # type: ignore[misc]
    if not scaled:
        raise CliError("no objects passed to scale")
    if flags["timeout"]:
        _wait(session, flags, scaled, wanted)
    return 0


def _found(session: Session, flags: Values, arguments: list[str]) -> Iterator[tuple[Selection, Object]]:
    found = 0
    try:
        pairs = resolve(session, arguments, flags)
        for pair in (
            list(pairs) if has_files(flags) else pairs
        ):  # of files nothing is scaled when one object is missing
            found += 1
            yield pair
    except ServerError as error:
        if not found and not_found(error) and not has_files(flags):
            raise CliError(f"no objects passed to scale {error}") from error
        raise


def _scale(session: Session, flags: Values, one: Selection, wanted: int) -> None:
    path = one.resource.path(one.namespace, one.name, "scale")
    patch: Object = {"spec": {"replicas": wanted}}
    if flags["current-replicas"] >= 0 or flags["resource-version"]:
        scale = session.http.get(path)
        found = scale["spec"].get("replicas", 0)
        if flags["current-replicas"] >= 0 and found != flags["current-replicas"]:
            raise CliError(f"Expected replicas to be {flags['current-replicas']}, was {found}")
        version = scale["metadata"]["resourceVersion"]
        if flags["resource-version"] and version != flags["resource-version"]:
            raise CliError(f"Expected resource version to be {flags['resource-version']}, was {version}")
        patch["metadata"] = {"resourceVersion": version}
    if dry_run.mode(flags) != "client":
        query = dry_run.query(flags, "kubectl-scale") if dry_run.mode(flags) == "server" else {}
        session.http.request("PATCH", path, query, patch, content_type="application/merge-patch+json")


def _wait(session: Session, flags: Values, scaled: list[Selection], wanted: int) -> None:
    end = clock.monotonic() + flags["timeout"]
    for one in scaled:
        while True:
            scale = session.http.get(one.resource.path(one.namespace, one.name, "scale"))
            if (scale.get("status") or {}).get("replicas", 0) == wanted:
                break
            if clock.monotonic() > end:
                raise CliError(f'timed out waiting for "{one.name}" to be synced')
            clock.sleep(0.1)


SCALE = Command(
    run,
    (
        *FILES,
        SELECTOR,
        *OUTPUT,
        DRY_RUN,
        Flag("replicas", kind="int", help="The new desired number of replicas. Required."),
        Flag("current-replicas", kind="int", default=-1, help="Precondition for the current size."),
        Flag("resource-version", help="Precondition for the resource version."),
        Flag("timeout", kind="duration", help="How long to wait for the scaling; 0 means not at all."),
        Flag("all", kind="bool", help="All resources of the type in the namespace."),
    ),
    "[--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME)",
    "Set a new size for a deployment, replica set, or replication controller.",
)
