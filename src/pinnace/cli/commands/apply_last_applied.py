"""`apply view-last-applied`, `set-last-applied` and `edit-last-applied`: the annotation in which apply remembers what it applied."""

from typing import Any

from pinnace.cli import dry_run, last_applied, printers
from pinnace.cli.builder import NOTHING_NAMED, from_files, resolve
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, SELECTOR, Command
from pinnace.cli.commands.create import VALIDATE, validation
from pinnace.cli.commands.edit import HEAD, WINDOWS, check_output, in_editor, parsed
from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn

Object = dict[str, Any]


def view(session: Session, flags: Values, arguments: list[str]) -> int:
    output = flags["output"] or "yaml"
    if output not in ("yaml", "json"):
        raise CliError(
            f"Unexpected -o output mode: {output}, the flag 'output' must be one of yaml|json\n"
            f"See '{session.path} -h' for help and examples"
        )
    if flags["all"]:  # as kubectl, whose own check never lets it pass
        raise CliError("setting 'all' parameter but found a non empty selector. ")
    for _, obj in resolve(session, arguments, flags):
        original = last_applied.of(obj)
        if original is not None:  # kubectl says nothing about the others
            print(printers.to_text(original, output, indent=2), end="")
    return 0


def put(session: Session, flags: Values, arguments: list[str]) -> int:
    """All objects are looked up before the first one is changed."""
    if not flags["filename"]:
        raise CliError(NOTHING_NAMED)
    changes = []
    for one in from_files(session, flags):
        live = session.http.get(one.path)
        annotations = live["metadata"].get("annotations") or {}
        if last_applied.ANNOTATION not in annotations and not flags["create-annotation"]:
            raise CliError(
                f"no last-applied-configuration annotation found on resource: {one.name}, to create the annotation, "
                "run the command with --create-annotation"
            )
        wanted = last_applied.as_text(one.manifest or {})
        changes.append((one, live, wanted if annotations.get(last_applied.ANNOTATION) != wanted else None))
    for one, live, text in changes:
        if text is None:
            print(f"set-last-applied {one.name}: no changes required.")
            continue
        changed = live
        if dry_run.mode(flags) != "client":
            patch = {"metadata": {"annotations": {last_applied.ANNOTATION: text}}}
            changed = session.http.request(
                "PATCH", one.path, dry_run.query(flags, "kubectl-set-last-applied"), patch,
                content_type="application/merge-patch+json",
            )  # fmt: skip
        printers.printer(flags, lambda _, one=one: one.shown, f"configured{dry_run.suffix(flags)}")(changed)  # type: ignore[misc]
    return 0


def edit(session: Session, flags: Values, arguments: list[str]) -> int:
    """In an editor; the annotation alone is changed."""
    validation(flags)
    check_output(flags)
    chosen = [(one, last_applied.of(obj)) for one, obj in resolve(session, arguments, flags)]
    if any(original is None for _, original in chosen):
        raise CliError(
            "no last-applied-configuration annotation found on resources, to create the annotation, use command "
            f"`{session.program} apply set-last-applied --create-annotation`"
        )
    for one, original in chosen:
        text = printers.to_text(original, "yaml")
        edited = in_editor(HEAD + text, windows=flags["windows-line-endings"])
        stripped = "\n".join(line for line in edited.splitlines() if not line.startswith("#")).strip()
        if not stripped:
            raise PlainError("Edit cancelled, saved file was empty.")
        if stripped == text.strip():
            warn("Edit cancelled, no changes made.")
            continue
        wanted = parsed(stripped + "\n")
        patch = {"metadata": {"annotations": {last_applied.ANNOTATION: last_applied.as_text(wanted)}}}
        query = {"fieldManager": flags["field-manager"] or "kubectl-last-applied", **validation(flags)}
        new = session.http.request(
            "PATCH", one.path, query, patch, content_type="application/merge-patch+json"
        )
        printers.printer(flags, lambda _, one=one: one.shown, "edited")(new)  # type: ignore[misc]
    return 0


EDIT_LAST_APPLIED = Command(
    edit,
    (*FILES, *OUTPUT, FIELD_MANAGER, VALIDATE, WINDOWS),
    "(RESOURCE/NAME | -f FILENAME)",
    "Edit the latest last-applied-configuration annotations of a resource.",
)
VIEW_LAST_APPLIED = Command(
    view,
    (
        *FILES, SELECTOR, Flag("all", kind="bool", help="All resources of the types in the namespace."),
        Flag("output", "o", help="yaml or json."),
    ),
    "(TYPE [NAME | -l label] | TYPE/NAME | -f FILENAME)",
    "View the latest last-applied-configuration annotations of a resource.",
)  # fmt: skip
SET_LAST_APPLIED = Command(
    put,
    (
        FILES[0], *OUTPUT, DRY_RUN,
        Flag("create-annotation", kind="bool", help="Create the annotation where there is none."),
    ),
    "-f FILENAME",
    "Set the last-applied-configuration annotation on a live object to match the contents of a file.",
)  # fmt: skip
