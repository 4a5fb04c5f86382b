"""`edit`: objects as YAML in an editor; what was changed is sent as a patch."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinnace.cli import last_applied, printers
from pinnace.cli.builder import Selection, resolve
from pinnace.cli.command import FIELD_MANAGER, FILES, OUTPUT, Command
from pinnace.cli.commands.create import SAVE, VALIDATE, validation
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.manifests import documents
from pinnace.cli.session import Session, warn

if TYPE_CHECKING:
    from pinnace.apimachinery.schema import Schema

Object = dict[str, Any]
WINDOWS = Flag("windows-line-endings", kind="bool", help="The file in the editor has CR LF line ends.")
HEAD = """# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    validation(flags)
    check_output(flags)
    code = 0
    for one, obj in resolve(session, arguments, flags):
        code = _edit(session, flags, one, obj) or code
    return code


def _edit(session: Session, flags: Values, one: Selection, obj: Object) -> int:
    shown = obj if flags["show-managed-fields"] else printers.without_managed_fields(obj)
    text, problems, last_try = printers.to_text(shown, "yaml"), list[str](), ""
    while True:
        edited = in_editor(
            HEAD + head(one, problems) + (last_try or text), windows=flags["windows-line-endings"]
        )
        stripped = without_comments(edited)
        if not stripped:
            raise PlainError("Edit cancelled, saved file was empty.")
        if stripped == text.strip():
            warn("Edit cancelled, no changes made.")
            return 0
        if problems and stripped == last_try.strip():
            raise PlainError(f"{stored(edited)}\nerror: Edit cancelled, no valid changes were saved.")
        last_try = stripped + "\n"
        try:
            changed = parsed(last_try)
        except CliError as error:
            problems = [f'<nil>: Invalid value: "The edited file failed validation": {error}']
            warn(f'error: {one.resource.qualified} "{one.name}" is invalid')
            continue
        if _identity(changed) != _identity(shown):
            raise PlainError(
                f"{stored(edited)}\nerror: At least one of apiVersion, kind and name was changed"
            )
        if flags["save-config"] or last_applied.ANNOTATION in (obj["metadata"].get("annotations") or {}):
            changed = _with_annotation(obj, changed)
        patch = _difference(one, shown, changed)
        if not patch:
            warn("Edit cancelled, no changes made.")
            return 0
        if flags["output-patch"]:
            print(f"Patch: {last_applied.compact(patch)}")
        try:
            new = _send(session, flags, one, patch)
        except ServerError as error:
            problems = _problems(session, one, error, edited)
            warn(f'error: {one.resource.qualified} "{one.name}" is invalid')
            continue
        printers.printer(flags, lambda _: one.shown, "edited")(new)
        return 0


def without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip()


def parsed(text: str) -> Object:
    try:
        found = next(iter(documents(text, "edited-file")), None)
    except CliError as error:
        raise CliError(str(error).rpartition("error converting YAML to JSON: ")[2]) from error
    if not isinstance(found, dict):
        raise CliError("invalid object to validate")
    for field in ("apiVersion", "kind"):
        if not found.get(field):
            raise CliError(f"{field} not set")
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


def stored(text: str) -> str:
    return f'A copy of your changes has been stored to "{_kept(text)}"'


def _kept(text: str, suffix: str = ".yaml") -> str:
    descriptor, path = tempfile.mkstemp(prefix="kubectl-edit-", suffix=suffix)
    with os.fdopen(descriptor, "w", newline="") as file:
        file.write(text)
    return path


def head(one: Selection, problems: list[str]) -> str:
    """Why it is opened again."""
    if not problems:
        return ""
    lines = [f'{one.resource.qualified} "{one.name}" was not valid:', *(f"* {text}" for text in problems)]
    return "".join(f"# {line}\n" for line in lines) + "#\n"


def check_output(flags: Values) -> None:
    """Only what can be edited can be shown."""
    if flags["output"] not in ("", "json", "yaml", "kyaml"):
        raise CliError(
            f'unable to match a printer suitable for the output format "{flags["output"]}", '
            "allowed formats are: json,kyaml,yaml"
        )


def _with_annotation(obj: Object, changed: Object) -> Object:
    """As kubectl: what is kept has the fields that the editor did not show."""
    metadata = changed.get("metadata") or {}
    managed = obj["metadata"].get("managedFields")
    whole = {**changed, "metadata": {**metadata, **({"managedFields": managed} if managed else {})}}
    noted = last_applied.with_annotation(whole)["metadata"]["annotations"]
    return {**changed, "metadata": {**metadata, "annotations": noted}}


def in_editor(text: str, *, windows: bool = False, suffix: str = ".yaml") -> str:
    """What the user makes of it; `windows`: the file has CR LF at the ends of its lines."""
    if windows:
        text = text.replace("\n", "\r\n")
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    path = _kept(text, suffix)
    try:
        done = subprocess.run([*shlex.split(editor), path], check=False)
        if done.returncode != 0:
            raise CliError(f"there was a problem with the editor {editor!r}".replace("'", '"'))
        with open(path, newline="") as file:  # noqa: PTH123 (keeps the line ends)
            return file.read().replace("\r\n", "\n") if windows else file.read()
    finally:
        Path(path).unlink(missing_ok=True)


def _difference(one: Selection, before: Object, after: Object) -> Object:
    """The patch that makes one of the other: strategic for built-in kinds, else a merge patch."""
    from pinnace.cli.three_way import patch_for

    return patch_for(before, after, before, _schema(one))


def _schema(one: Selection) -> "Schema | None":
    from pinnace.apimachinery.gvk import GVK
    from pinnace.apimachinery.schema import schemas

    return schemas.for_gvk(GVK(one.resource.group, one.resource.version, one.resource.kind))


def _send(session: Session, flags: Values, one: Selection, patch: Object) -> Object:
    query = {"fieldManager": flags["field-manager"] or "kubectl-edit", **validation(flags)}
    path = one.resource.path(one.namespace, one.name, flags["subresource"])
    kind = "merge-patch" if _schema(one) is None else "strategic-merge-patch"
    new: Object = session.http.request("PATCH", path, query, patch, content_type=f"application/{kind}+json")
    return new


EDIT = Command(
    run,
    (
        *FILES,
        *OUTPUT,
        FIELD_MANAGER,
        VALIDATE,
        SAVE,
        WINDOWS,
        Flag("output-patch", kind="bool", help="Print the patch that is sent."),
        Flag("subresource", help="status or scale."),
    ),
    "(RESOURCE/NAME | -f FILENAME)",
    "Edit a resource on the server.",
)
