"""`apply`: make the server's objects what the manifests say, by a three-way patch or on the server's side."""

import os
import sys
from typing import TYPE_CHECKING, Any

from pinnace.cli import applying, cascade, dry_run, printers, pruning
from pinnace.cli.builder import Selection, from_files_with_errors, has_files, raise_all
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, SELECTOR, Command
from pinnace.cli.commands.apply_last_applied import EDIT_LAST_APPLIED, SET_LAST_APPLIED, VIEW_LAST_APPLIED
from pinnace.cli.commands.create import VALIDATE, validation
from pinnace.cli.errors import CliError, UsageError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.mapper import Resource
from pinnace.cli.session import Session

if TYPE_CHECKING:
    from pinnace.cli.applyset import ApplySet

Object = dict[str, Any]
GATE = "KUBECTL_APPLYSET"  # upstream's switch for what is alpha


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if arguments:
        raise CliError(
            f"Unexpected args: [{' '.join(arguments)}]\nSee '{session.path} -h' for help and examples"
        )
    if not has_files(flags):
        raise CliError("must specify one of -f and -k")
    cascade.policy(flags)
    validation(flags)
    applyset = _applyset(session, flags)
    pruned_types = pruning.types(session, flags) if flags["prune"] and applyset is None else []
    _check(flags, applyset)
    errors: list[CliError] = []
    chosen = list(from_files_with_errors(session, flags, errors))
    if applyset is not None:
        try:
            applyset.label(chosen)
        except CliError as error:
            chosen, errors = [], [error]
    if not chosen and not errors:
        raise CliError("no objects passed to apply")
    if applyset is not None:
        applyset.before_apply(chosen)
    applied: list[tuple[Selection, Object]] = []
    for one in chosen:
        try:
            done = (
                applying.on_server(session, flags, one)
                if flags["server-side"]
                else applying.here(session, flags, one)
            )
        except CliError as error:
            errors.append(error)
            continue
        applied.append((one, done[0]))
        if not _is_whole(flags):
            _say(flags, one, *done)
    raise_all(errors)
    if _is_whole(flags):
        _show(flags, applied)
    if applyset is not None:
        applyset.prune(
            {uid for _, obj in applied if (uid := obj["metadata"].get("uid"))},
            lambda *pruned: _say(flags, *pruned),
        )
    elif flags["prune"]:
        _prune(session, flags, pruned_types, applied)
    return 0


def _applyset(session: Session, flags: Values) -> "ApplySet | None":
    if "applyset" not in flags.given:
        return None
    if os.environ.get(GATE, "").lower() != "true":
        raise UsageError("unknown flag: --applyset", session.path)
    if not flags["applyset"]:
        return None
    from pinnace.cli.applyset import ApplySet

    return ApplySet.of(session, flags)


def _check(flags: Values, applyset: "ApplySet | None") -> None:
    """What does not go together, in the order in which kubectl finds it."""
    on_server = flags["server-side"]
    if flags["force-conflicts"] and not on_server:
        raise CliError("--force-conflicts only works with --server-side")
    if on_server and dry_run.mode(flags) == "client":
        raise CliError(
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"
        )
    if on_server and flags["force"]:
        raise CliError("--force cannot be used with --server-side")
    if dry_run.mode(flags) == "server" and flags["force"]:
        raise CliError("--dry-run=server cannot be used with --force")
    pruning.check_selection(flags)
    if applyset is not None:
        if not flags["prune"]:
            raise CliError("--applyset requires --prune")
        applyset.check_parent()
    if flags["prune"] and flags["force"]:
        raise CliError("--force cannot be used with --prune")
    if applyset is not None:
        for name in ("all", "selector", "prune-allowlist"):
            if flags[name]:
                raise CliError(f"--{name} is incompatible with --applyset")
    elif flags["prune"]:
        pruning.check(flags)
        if on_server:
            raise CliError(
                "--prune is in alpha and doesn't currently work on objects created by server-side apply"
            )
    if flags["subresource"] and not on_server:
        raise CliError("--subresource can only be specified for --server-side")


def _is_whole(flags: Values) -> bool:
    """The objects are written, at the end and as one List, instead of a line for each."""
    return bool(flags["template"]) or flags["output"] not in ("", "name")


def _say(flags: Values, one: Selection, obj: Object, what: str) -> None:
    printers.printer(flags, lambda _: one.shown, f"{what}{dry_run.suffix(flags)}")(obj)


def _show(flags: Values, applied: list[tuple[Selection, Object]]) -> None:
    show = printers.printer(flags, lambda _: applied[0][0].shown)
    if len(applied) == 1:
        show(applied[0][1])
        return
    listed = {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": [obj for _, obj in applied]}
    if flags["output"] != "json":
        show(listed)
        return
    if not flags["show-managed-fields"]:
        listed = printers.without_managed_fields(listed)
    listed["items"] = [printers.sorted_keys(item) for item in listed["items"]]
    sys.stdout.write(printers.to_text(listed, "json", sort_keys=False))


def _prune(
    session: Session, flags: Values, types: list[Resource], applied: list[tuple[Selection, Object]]
) -> None:
    pruning.warn_of_cluster_scope(session, flags)
    visited = {uid for _, obj in applied if (uid := obj["metadata"].get("uid"))}
    namespaces = list(dict.fromkeys(one.namespace for one, _ in applied if one.namespace))
    options = cascade.delete_options(flags)
    for one, obj in pruning.leftovers(session, flags, types, namespaces, visited):
        if dry_run.mode(flags) != "client":
            session.http.request("DELETE", one.path, None, options)
        _say(flags, one, obj, "pruned")


APPLY = Command(
    run,
    (
        *FILES,
        *OUTPUT,
        DRY_RUN,
        FIELD_MANAGER,
        VALIDATE,
        Flag("server-side", kind="bool", help="Apply on the server instead of the client."),
        SELECTOR,
        Flag("all", kind="bool", help="With --prune: of all that was ever applied in the namespaces."),
        *pruning.FLAGS,
        cascade.FLAG,
        Flag("grace-period", kind="int", default=-1, help="Seconds that what is deleted gets to end."),
        Flag("force", kind="bool", help="Delete and create again what cannot be patched."),
        Flag(
            "timeout", kind="duration", help="How long --force waits until the old one is gone; 0 for ever."
        ),
        Flag("wait", kind="bool", help="--force waits until the old one is gone, with or without it."),
        Flag(
            "overwrite",
            kind="bool",
            default=True,
            help="Overwrite what others changed; otherwise it is an error.",
        ),
        Flag(
            "openapi-patch",
            kind="bool",
            default=True,
            help="Whether an error of --overwrite=false is told for each way to know how lists merge.",
        ),
        Flag(
            "applyset",
            help="[RESOURCE][.GROUP]/NAME of the parent that tracks the set (alpha, needs KUBECTL_APPLYSET=true).",
        ),
        Flag("subresource", help="With --server-side: apply to this part alone, e.g. status."),
        Flag("force-conflicts", kind="bool", help="Take over fields of other managers."),
    ),
    "-f FILENAME",
    "Apply a configuration to a resource by file name or stdin.",
    {
        "edit-last-applied": EDIT_LAST_APPLIED,
        "set-last-applied": SET_LAST_APPLIED,
        "view-last-applied": VIEW_LAST_APPLIED,
    },
)
