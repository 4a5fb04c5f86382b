"""`patch`: change fields by a strategic merge, merge or JSON patch."""

from typing import Any

from pinnace.cli import dry_run, printers
from pinnace.cli.builder import resolve
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, Command
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
TYPES = {"strategic": "application/strategic-merge-patch+json", "merge": "application/merge-patch+json",
         "json": "application/json-patch+json"}  # fmt: skip


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if bool(flags["patch"]) == bool(flags["patch-file"]):
        raise CliError("must specify --patch or --patch-file containing the contents of the patch"
                       if not flags["patch"] else "cannot specify --patch and --patch-file together")  # fmt: skip
    if flags["type"] not in TYPES:
        raise CliError(
            f"--type must be one of [json merge strategic], not {flags['type']!r}".replace("'", '"')
        )
    text = _read(flags["patch-file"]) if flags["patch-file"] else flags["patch"]
    patch = _parsed(text)
    found = False
    for one, obj in resolve(session, arguments, flags):
        found = True
        new = obj
        if dry_run.mode(flags) != "client":
            path = one.resource.path(one.namespace, one.name, flags["subresource"])
            query = dry_run.query(flags, "kubectl-patch")
            media, row = TYPES[flags["type"]], one.resource
            try:
                new = session.http.request("PATCH", path, query, patch, content_type=media)
            except ServerError as error:
                if error.reason != "UnsupportedMediaType":
                    raise
                kind = f"{row.api_version}, Kind={row.kind}"
                raise CliError(f"{media} is not supported by {kind}: {error}") from error
        done = "patched (no change)" if new == obj else "patched"
        printers.printer(flags, lambda _, one=one: one.shown, f"{done}{dry_run.suffix(flags)}")(new)  # type: ignore[misc]
    if not found:
        raise CliError("no objects passed to patch")
    return 0


def _parsed(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CliError(f'unable to parse "{text}": {error}') from error


def _read(path: str) -> str:
    try:
        return printers.read_file(path)
    except CliError as error:
        why = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error
        raise CliError(f"unable to read patch file: open {path}: {str(why).lower()}") from error


PATCH = Command(
    run,
    (
        *FILES,
        *OUTPUT,
        DRY_RUN,
        FIELD_MANAGER,
        Flag("patch", "p", help="The patch."),
        Flag("patch-file", help="A file with the patch."),
        Flag("type", default="strategic", help="json, merge or strategic."),
        Flag("subresource", help="status or scale."),
    ),
    "(-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]",
    "Update fields of a resource.",
)
