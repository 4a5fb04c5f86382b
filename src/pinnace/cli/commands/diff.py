"""`diff`: what `apply` would change, shown by the system's `diff` (or $KUBECTL_EXTERNAL_DIFF); exit code 1 says that it would."""

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from pinnace.cli import last_applied, pruning
from pinnace.cli.builder import Selection, from_files_with_errors, has_files, raise_all
from pinnace.cli.command import FIELD_MANAGER, FILES, SELECTOR, Command
from pinnace.cli.errors import CliError, PlainError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.printers import to_text, without_managed_fields
from pinnace.cli.session import Session
from pinnace.cli.three_way import patch_for

Object = dict[str, Any]
HIDDEN, BEFORE, AFTER = "***", "*** (before)", "*** (after)"


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if not has_files(flags):
        raise CliError("must specify one of -f and -k", 2)
    if arguments:
        raise CliError(
            f"Unexpected args: [{' '.join(arguments)}]\nSee '{session.path} -h' for help and examples", 2
        )
    try:
        with (
            tempfile.TemporaryDirectory(prefix="LIVE-") as live,
            tempfile.TemporaryDirectory(prefix="MERGED-") as merged,
        ):
            for one, before, after in _compared(session, flags):
                if one.resource.qualified == "secrets" and not flags["show-secrets"]:
                    before, after = _masked(before, after)
                name = ".".join(
                    [*one.resource.api_version.split("/"), one.resource.kind, one.namespace, one.name]
                )
                for folder, obj in ((live, before), (merged, after)):
                    if obj is None and folder == merged:
                        continue
                    with open(os.path.join(folder, name), "w") as file:  # noqa: PTH118, PTH123 (start-up time)
                        file.write(
                            ""
                            if obj is None
                            else to_text(_shown(obj, flags) if after is not None else obj, "yaml")
                        )
            return _compare(live, merged)
    except CliError as error:
        error.code = 2 if error.code == 1 else error.code  # 1 says that there are differences
        raise


def _compared(session: Session, flags: Values) -> Iterator[tuple[Selection, Object | None, Object | None]]:
    """Each object, before and after; with --prune those that would go, too."""
    types = pruning.types(session, flags) if flags["prune"] else []
    errors: list[CliError] = []
    visited: set[str] = set()
    namespaces: list[str] = []
    for one, before, after in _all_states(session, flags, from_files_with_errors(session, flags, errors)):
        visited.add((before or after)["metadata"].get("uid", ""))
        namespaces += [one.namespace] if one.namespace else []
        yield one, before, after
    raise_all(errors)
    if flags["prune"]:
        pruning.warn_of_cluster_scope(session, flags)
        for one, obj in pruning.leftovers(session, flags, types, list(dict.fromkeys(namespaces)), visited):
            yield one, obj, None


def _all_states(
    session: Session, flags: Values, chosen: Iterator[Selection]
) -> Iterator[tuple[Selection, Object | None, Object]]:
    """In the order of the files, `--concurrency` of them at a time, each on a connection of its own."""
    if flags["concurrency"] < 2:
        for one in chosen:
            yield one, *_states(session, flags, one)
        return
    from concurrent.futures import ThreadPoolExecutor
    from threading import local

    own, opened = local(), list[Session]()

    def begin() -> None:
        own.session = Session(session.flags, session.path)
        opened.append(own.session)

    def states(one: Selection) -> tuple[Selection, Object | None, Object]:
        return one, *_states(own.session, flags, one)

    try:
        with ThreadPoolExecutor(flags["concurrency"], "diff", begin) as pool:
            yield from pool.map(states, list(chosen))
    finally:
        for each in opened:
            each.http.close()


def _states(session: Session, flags: Values, one: Selection) -> tuple[Object | None, Object]:
    """What is there (or None), and what would be there, as the server says."""
    query = {"dryRun": "All", "fieldManager": flags["field-manager"] or "kubectl-client-side-apply"}
    if not one.name:
        raise CliError("resource name may not be empty")
    try:
        live = session.http.get(one.path)
    except ServerError as error:
        if not not_found(error):
            raise
        live = None
    if flags["server-side"]:
        query["fieldManager"] = flags["field-manager"] or "kubectl"
        query["force"] = "true" if flags["force-conflicts"] else "false"
        content_type = "application/apply-patch+yaml"
        return live, session.http.request("PATCH", one.path, query, one.manifest, content_type=content_type)
    manifest = one.manifest or {}
    metadata = manifest.get("metadata") or {}
    manifest = {**manifest, "metadata": {**metadata, "annotations": metadata.get("annotations") or {}}}
    if live is None:
        return None, session.http.request("POST", one.resource.path(one.namespace), query, manifest)
    from pinnace.apimachinery.gvk import GVK
    from pinnace.apimachinery.schema import schemas

    schema = schemas.for_gvk(GVK(one.resource.group, one.resource.version, one.resource.kind))
    patch = patch_for(last_applied.of(live) or {}, manifest, live, schema)
    kind = "merge-patch" if schema is None else "strategic-merge-patch"
    merged = session.http.request("PATCH", one.path, query, patch, content_type=f"application/{kind}+json")
    return live, merged


def _shown(obj: Object, flags: Values) -> Object:
    return obj if flags["show-managed-fields"] else without_managed_fields(obj)


def _masked(before: Object | None, after: Object | None) -> tuple[Object | None, Object | None]:
    """Values of secrets hidden; those that differ are told apart."""
    old, new = ((obj or {}).get("data") or {} for obj in (before, after))

    def hidden(data: Object, other: Object, mark: str) -> Object:
        return {key: mark if key in other and other[key] != value else HIDDEN for key, value in data.items()}

    shown = {**after, "data": hidden(new, old, AFTER)} if after is not None and new else after
    if before is None or not old:
        return before, shown
    return {**before, "data": hidden(old, new, BEFORE)}, shown


def _compare(live: str, merged: str) -> int:
    program = shlex.split(os.environ.get("KUBECTL_EXTERNAL_DIFF", "")) or ["diff", "-u", "-N"]
    try:
        code = subprocess.run([*program, live, merged], check=False).returncode
    except FileNotFoundError:
        raise CliError(
            f'failed to run "{program[0]}": exec: "{program[0]}": executable file not found in $PATH', 2
        ) from None
    if code > 1:
        raise PlainError(f"exit status {code}", code)
    return code


DIFF = Command(
    run,
    (
        *FILES,
        SELECTOR,
        FIELD_MANAGER,
        *pruning.FLAGS,
        Flag("concurrency", kind="int", default=1, help="How many objects are compared at a time."),
        Flag("server-side", kind="bool", help="What apply --server-side would change."),
        Flag("force-conflicts", kind="bool", help="As if fields of other managers were taken over."),
        Flag("show-managed-fields", kind="bool", help="Compare managedFields, too."),
        Flag("show-secrets", kind="bool", help="Do not hide the values of secrets."),
    ),
    "-f FILENAME",
    "Diff the live version against a would-be applied version.",
    usage_code=2,  # 1 says that there are differences
)  # fmt: skip
