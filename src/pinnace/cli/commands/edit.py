"""`edit`: objects as YAML in an editor; what was changed is sent as a patch."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pinnace.cli import printers
from pinnace.cli.builder import Selection, resolve
from pinnace.cli.command import FIELD_MANAGER, FILES, OUTPUT, Command
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.manifests import documents
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
HEAD = """# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    code = 0
    for one, obj in resolve(session, arguments, flags):
        code = _edit(session, flags, one, obj) or code
    return code


def _edit(session: Session, flags: Values, one: Selection, obj: Object) -> int:
    shown = obj if flags["show-managed-fields"] else printers.without_managed_fields(obj)
    text, problems, last_try = printers.to_text(shown, "yaml"), list[str](), ""
    while True:
        edited = _in_editor(_head(one, problems) + (last_try or text))
        stripped = "\n".join(line for line in edited.splitlines() if not line.startswith("#")).strip()
        if not stripped:
            raise PlainError("Edit cancelled, saved file was empty.")
        if stripped == text.strip():
            warn("Edit cancelled, no changes made.")
            return 0
        if problems and stripped == last_try.strip():
            raise PlainError(f"{_stored(edited)}\nerror: Edit cancelled, no valid changes were saved.")
        last_try = stripped + "\n"
        try:
            changed = _parsed(last_try)
        except CliError as error:
            problems = [f'<nil>: Invalid value: "The edited file failed validation": {error}']
            warn(f'error: {one.resource.qualified} "{one.name}" is invalid')
            continue
        if _identity(changed) != _identity(shown):
            raise PlainError(
                f"{_stored(edited)}\nerror: At least one of apiVersion, kind and name was changed"
            )
        patch = _difference(shown, changed)
        if not patch:
            warn("Edit cancelled, no changes made.")
            return 0
        try:
            _send(session, flags, one, patch, changed)
        except ServerError as error:
            problems = _problems(session, one, error, edited)
            warn(f'error: {one.resource.qualified} "{one.name}" is invalid')
            continue
        printers.printer(flags, lambda _: one.shown, "edited")(changed)
        return 0


def _parsed(text: str) -> Object:
    try:
        found = next(iter(documents(text, "edited-file")), None)
    except CliError as error:
        raise CliError(str(error).rpartition("error converting YAML to JSON: ")[2]) from error
    if not isinstance(found, dict):
        raise CliError("invalid object to validate")
    return found


def _identity(obj: Object) -> tuple[Any, ...]:
    return obj.get("apiVersion"), obj.get("kind"), (obj.get("metadata") or {}).get("name")


def _problems(session: Session, one: Selection, error: ServerError, edited: str) -> list[str]:
    """What is wrong with the object, for another try; raises where another try would not help."""
    if error.reason == "Invalid":
        causes = (error.status.get("details") or {}).get("causes") or ()
        return [f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes]
    what = f'error: {one.resource.qualified} "{one.name}"'
    if error.reason == "NotFound":
        path = _kept(edited)
        raise PlainError(
            f"{what} could not be found on the server\n"
            f'The edits you made on deleted resources have been saved to "{path}"'
        )
    raise PlainError(
        f"{what} could not be patched: {error}\n"
        f"You can run `{session.program} replace -f {_kept(edited)}` to try this update again."
    )


def _stored(text: str) -> str:
    return f'A copy of your changes has been stored to "{_kept(text)}"'


def _kept(text: str) -> str:
    descriptor, path = tempfile.mkstemp(prefix="kubectl-edit-", suffix=".yaml")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path


def _head(one: Selection, problems: list[str]) -> str:
    if not problems:
        return HEAD
    lines = [f'{one.resource.qualified} "{one.name}" was not valid:', *(f"* {text}" for text in problems)]
    return HEAD + "".join(f"# {line}\n" for line in lines) + "#\n"


def _in_editor(text: str) -> str:
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    path = _kept(text)
    try:
        done = subprocess.run([*shlex.split(editor), path], check=False)
        if done.returncode != 0:
            raise CliError(f"there was a problem with the editor {editor!r}".replace("'", '"'))
        return Path(path).read_text()
    finally:
        Path(path).unlink(missing_ok=True)


def _difference(before: Object, after: Object) -> Object:
    """A merge patch: lists are sent whole."""
    patch: Object = {}
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(before[key], dict):
            inner = _difference(before[key], value)
            if inner:
                patch[key] = inner
        elif value != before[key]:
            patch[key] = value
    return patch | {key: None for key in before if key not in after}


def _send(session: Session, flags: Values, one: Selection, patch: Object, changed: Object) -> None:
    query = {"fieldManager": flags["field-manager"] or "kubectl-edit", "fieldValidation": "Strict"}
    path = one.resource.path(one.namespace, one.name, flags["subresource"])
    session.http.request("PATCH", path, query, patch, content_type="application/merge-patch+json")


EDIT = Command(
    run,
    (*FILES, *OUTPUT, FIELD_MANAGER, Flag("subresource", help="status or scale.")),
    "(RESOURCE/NAME | -f FILENAME)",
    "Edit a resource on the server.",
)
