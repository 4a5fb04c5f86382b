"""`patch`: change fields by a strategic merge, merge or JSON patch."""

from typing import Any

from pinnace.cli import dry_run, printers
from pinnace.cli.builder import from_files_alone, has_files, resolve
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
    patch = _parsed(text, flags)
    if flags["local"]:
        return _here(flags, arguments, patch)
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


def _here(flags: Values, arguments: list[str], patch: Any) -> int:
    """The objects of files, patched without a server."""
    if dry_run.mode(flags) == "server":
        raise CliError("cannot specify --local and --dry-run=server - did you mean --dry-run=client?")
    if arguments:
        raise CliError("cannot specify --local and server resources")
    if not has_files(flags):
        raise CliError("must specify one of -f and -k")
    from pinnace.apimachinery.errors import StatusError
    from pinnace.apimachinery.patch.json_patch import Inapplicable

    for one in from_files_alone(flags):
        try:
            new = _patched(one.manifest or {}, patch, flags["type"])
        except (StatusError, Inapplicable) as error:
            raise CliError(str(error)) from error
        done = "patched (no change)" if new == one.manifest else "patched"
        printers.printer(flags, lambda _, one=one: one.shown, f"{done}{dry_run.suffix(flags)}")(new)  # type: ignore[misc]
    return 0


def _patched(obj: Object, patch: Any, kind: str) -> Object:
    from pinnace.apimachinery.gvk import GVK
    from pinnace.apimachinery.patch import json_patch, merge_patch, strategic
    from pinnace.apimachinery.schema import schemas

    if kind == "json":
        return json_patch.applied(obj, patch)
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    schema = schemas.for_gvk(GVK(group, version, str(obj.get("kind", ""))))
    if kind == "merge" or schema is None:
        if isinstance(patch, list):
            raise CliError("json: cannot unmarshal array into Go value of type unstructured.detector")
        return merge_patch.apply(obj, patch)
    return strategic.apply(obj, patch, schema)


def _parsed(text: str, flags: Values) -> Any:
    if text.lstrip().startswith("{"):
        import json

        try:
            return json.loads(text)
        except ValueError:
            return text.encode()  # as it is: the server says what is wrong with it
    import yaml

    from pinnace.cli.manifests import where_in_yaml
    from pinnace.cli.yaml_aliases import ExcessiveAliasing, check

    try:
        if "*" in text:
            check(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except ExcessiveAliasing as error:
        raise CliError(f'unable to parse "{flags["patch"]}": yaml: {where_in_yaml(error)}') from error
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
        Flag("local", kind="bool", help="Patch the objects of files without asking the server."),
    ),
    "(-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]",
    "Update fields of a resource.",
)
