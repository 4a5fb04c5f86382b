"""`create --edit`: each object as a file in an editor, then created as it was saved.

Other than upstream, which forgets the flag here, --dry-run does not create.
"""

from typing import Any

from pinnace.cli import printers
from pinnace.cli.builder import Selection, from_files, of_manifest
from pinnace.cli.commands.create import create_one
from pinnace.cli.commands.edit import HEAD, check_output, head, in_editor, parsed, stored, without_comments
from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.flags import Values
from pinnace.cli.session import Session, warn

Object = dict[str, Any]


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if arguments:
        raise CliError(
            f"Unexpected args: [{' '.join(arguments)}]\nSee '{session.path} -h' for help and examples"
        )
    check_output(flags)
    for one in from_files(session, flags):
        _create(session, flags, one)
    return 0


def _create(session: Session, flags: Values, one: Selection) -> None:
    form = "json" if flags["output"] == "json" else "yaml"  # JSON has no comments: no head
    original = text = printers.to_text(one.manifest, form)
    reasons = ""
    while True:
        shown = text if form == "json" else HEAD + reasons + text
        edited = in_editor(shown, windows=flags["windows-line-endings"], suffix=f".{form}")
        stripped = without_comments(edited)
        if reasons and stripped == text.strip():
            raise PlainError(f"{stored(edited)}\nerror: Edit cancelled, no valid changes were saved.")
        if stripped == original.strip():
            warn("Edit cancelled, no changes made.")
            return
        text = f"{stripped}\n" if stripped else ""
        try:
            changed = parsed(text)
        except CliError as error:
            warn(f'error: {one.resource.qualified} "{one.name}" is invalid')
            reasons = head(one, [f'<nil>: Invalid value: "The edited file failed validation": {error}'])
            continue
        try:
            selected = of_manifest(session, changed, "edited-file")
        except CliError as error:
            reasons = "# " + f"The edited file had a syntax error: {error}\n".replace("\n", "\n# ") + "\n"
            continue
        _send(session, flags, selected, edited)
        return


def _send(session: Session, flags: Values, one: Selection, edited: str) -> None:
    """What the server refuses is not opened again: its text is kept."""
    try:
        if one.namespace and one.namespace != session.namespace:
            raise CliError(
                f'the namespace from the provided object "{one.namespace}" does not match the namespace '
                f"\"{session.namespace}\". You must pass '--namespace={one.namespace}' to perform this operation."
            )
        create_one(session, flags, one)
    except CliError as error:
        raise PlainError(f"{stored(edited)}\n{error.text()}", error.code) from error
