"""From arguments to things: `pod web`, `pod/web svc/web`, `pods,svc -l app=web`, `deploy.apps`, `-f file`.

The rules and messages are those of kubectl's resource builder.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pinnace.cli.errors import CliError, ServerError, told
from pinnace.cli.flags import Values
from pinnace.cli.mapper import Resource
from pinnace.cli.session import Session

Object = dict[str, Any]

MIXED = (
    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form "
    "(e.g. '{program} get resource/<resource_name>' instead of '{program} get resource resource/<resource_name>'"
)
FILES_AND_ARGUMENTS = (
    "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well"
)
NAME_AND_SELECTOR = "name cannot be provided when a selector is specified"
NOTHING_NAMED = (
    "You must provide one or more resources by argument or filename.\n"
    "Example resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n"
    "   '<resource> <name>'\n   '<resource>'"
)
NO_NAMES = "resource(s) were provided, but no name was specified"
BY_NAME_EVERYWHERE = "a resource cannot be retrieved by name across all namespaces"


class Selection(NamedTuple):
    """All of `resource` (name ""), narrowed by selectors, or one of them. `manifest` is set when it was read from a file."""

    resource: Resource
    name: str = ""
    namespace: str = ""
    manifest: Object | None = None
    source: str = ""

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace, self.name)

    @property
    def shown(self) -> str:
        """`deployment.apps/web`."""
        return f"{self.resource.shown}/{self.name}"


def select(session: Session, arguments: list[str], flags: Values) -> list[Selection]:
    """What the arguments and -f name; empty when they name nothing."""
    if has_files(flags):
        if arguments:
            raise CliError(FILES_AND_ARGUMENTS)
        return from_files(session, flags)
    everywhere = flags.get("all-namespaces", False)
    found = list(_named(session, arguments, "" if everywhere else session.namespace))
    if everywhere and any(one.name for one in found):
        raise CliError(BY_NAME_EVERYWHERE)
    if (flags.get("selector") or flags.get("all")) and any(one.name for one in found):
        raise CliError(NAME_AND_SELECTOR)
    return found


def _named(session: Session, arguments: list[str], namespace: str) -> Iterator[Selection]:
    if not arguments:
        return
    slashes = ["/" in argument for argument in arguments]
    if any(slashes):
        if not all(slashes):
            raise CliError(MIXED.format(program=session.program))
        for argument in arguments:
            yield _one(session, argument, namespace)
        return
    for resource in types(session, arguments[0]):
        scope = namespace if resource.namespaced else ""
        names = arguments[1:]
        for name in names or [""]:
            yield Selection(resource, name, scope)


def _one(session: Session, argument: str, namespace: str) -> Selection:
    kind, _, name = argument.partition("/")
    if "/" in name:
        raise CliError("arguments in resource/name form may not have more than one slash")
    if not kind or not name:
        raise CliError("arguments in resource/name form must have a single resource and name")
    resource = session.mapper.find(kind)
    return Selection(resource, name, namespace if resource.namespaced else "")


def resolve_names(session: Session, arguments: list[str], kind: str = "pods") -> list[Selection]:
    """`web`, which is a pod, and `node/n1`, mixed at will."""
    return [
        _one(session, argument if "/" in argument else f"{kind}/{argument}", session.namespace)
        for argument in arguments
    ]


def types(session: Session, text: str) -> list[Resource]:
    """`pods,svc` or a category such as `all`."""
    found: list[Resource] = []
    for part in text.split(","):
        if not part:
            raise CliError("arguments in resource/name form may not have more than one slash")
        category = session.mapper.category(part.lower())
        found += category or [session.mapper.find(part)]
    return list({row.qualified: row for row in found}.values())


def has_files(flags: Values) -> bool:
    """-f or -k; raises CliError for what does not go together."""
    filename, kustomize = bool(flags.get("filename")), bool(flags.get("kustomize"))
    if filename and kustomize:
        raise CliError("only one of -f or -k can be specified")
    if kustomize and flags.get("recursive"):
        raise CliError("the -k flag can't be used with -f or -R")
    return filename or kustomize


def from_files(session: Session, flags: Values) -> list[Selection]:
    """The objects of -f or -k, each with where it goes; the manifests get their namespace filled in."""
    return [of_manifest(session, obj, source) for source, obj in _read(flags)]


def from_files_alone(flags: Values) -> list[Selection]:
    """The objects of -f or -k as they stand there (`--local`): no server is asked what they are."""
    return [_as_it_stands(obj, source) for source, obj in _read(flags)]


def _as_it_stands(obj: Object, source: str) -> Selection:
    metadata = obj.setdefault("metadata", {})
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    kind = str(obj.get("kind", ""))
    resource = Resource(group, version, kind.lower(), kind, True, kind.lower(), [], [], [])
    return Selection(resource, metadata.get("name", ""), metadata.get("namespace", ""), obj, source)


def from_files_with_errors(session: Session, flags: Values, errors: list[CliError]) -> Iterator[Selection]:
    """As `from_files`, one after the other; what is wrong with one document or file does not keep the others back."""
    for source, obj in _read(flags, errors):
        try:
            session.mapper.all()
        except CliError as error:
            raise CliError(_unrecognized(session, flags, source, error)) from error
        try:
            one = of_manifest(session, obj, source)
        except ServerError:
            raise
        except CliError as error:
            errors.append(error)
            continue
        if not flags.get("selector") or _has_labels(obj, flags["selector"]):
            yield one


def _unrecognized(session: Session, flags: Values, source: str, error: CliError) -> str:
    """The server does not say what it has. kubectl asks for the schemas first, where it is to validate."""
    server = session.connection.server
    if str(flags.get("validate", "ignore")).lower() in ("ignore", "false"):
        return f'unable to recognize "{source}": {told(error, f"{server}/api?timeout=32s")}'
    return (
        f'error validating "{source}": error validating data: failed to download openapi: '
        f"{told(error, f'{server}/openapi/v2?timeout=32s')}; "
        "if you choose to ignore these errors, turn validation off with --validate=false"
    )


def _has_labels(obj: Object, selector: str) -> bool:
    from pinnace.api.selector_text import parse

    return parse(selector).matches((obj.get("metadata") or {}).get("labels") or {})


def _read(flags: Values, errors: list[CliError] | None = None) -> Iterator[tuple[str, Object]]:
    folder = flags.get("kustomize")
    if folder:
        from pinnace.cli.kustomize.build import build

        yield from ((folder, obj) for obj in build(folder))
        return
    from pinnace.cli.manifests import read_all

    yield from read_all(flags["filename"], recursive=flags.get("recursive", False), errors=errors)


def of_manifest(session: Session, obj: Object, source: str) -> Selection:
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    resource = session.mapper.of_kind(api_version, kind)
    metadata = obj.setdefault("metadata", {})
    if resource is None:
        raise CliError(
            f'resource mapping not found for name: "{metadata.get("name", "")}" namespace: '
            f'"{metadata.get("namespace", "")}" from "{source}": no matches for kind "{kind}" in version "{api_version}"\n'
            "ensure CRDs are installed first"
        )
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return Selection(resource, metadata.get("name", ""), "", obj, source)
    wanted = session.namespace
    if metadata.get("namespace") and session.namespace_is_given and metadata["namespace"] != wanted:
        raise CliError(
            f'the namespace from the provided object "{metadata["namespace"]}" does not match the namespace '
            f"\"{wanted}\". You must pass '--namespace={metadata['namespace']}' to perform this operation."
        )
    metadata.setdefault("namespace", wanted)
    return Selection(resource, metadata.get("name", ""), metadata["namespace"], obj, source)


def list_query(flags: Values) -> dict[str, str]:
    """The selectors as query parameters."""
    query = {}
    if flags.get("selector"):
        query["labelSelector"] = flags["selector"]
    if flags.get("field-selector"):
        query["fieldSelector"] = flags["field-selector"]
    return query


def fetch(session: Session, one: Selection, flags: Values) -> list[Object]:
    """The objects that a selection stands for, each with kind and apiVersion."""
    if one.name:
        return [session.http.get(one.path)]
    return [
        item
        for page in pages(session, one, list_query(flags), chunk=flags.get("chunk-size", 0))
        for item in items_of(page, one.resource)
    ]


def pages(
    session: Session,
    one: Selection,
    query: dict[str, str],
    accept: str = "application/json",
    *,
    chunk: int = 0,
) -> Iterator[Object]:
    """A list in parts of `chunk`; no part is kept here."""
    query = {**query, **({"limit": str(chunk)} if chunk else {})}
    while True:
        found = listing(session, one, query, accept)
        token = (found.get("metadata") or {}).get("continue")
        yield found
        del found
        if not token:
            return
        query["continue"] = token


def listing(
    session: Session, one: Selection, query: dict[str, str], accept: str = "application/json"
) -> Object:
    """A list; errors say what was looked for."""
    try:
        found: Object = session.http.get(one.path, query, accept=accept)
    except ServerError as error:
        if error.reason not in ("BadRequest", "NotFound"):
            raise
        what = f'"{one.resource.group}/{one.resource.version}, Resource={one.resource.name}"'
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        about = f"Unable to list {what}"
        if labels or fields:
            about = f'Unable to find {what} that match label selector "{labels}", field selector "{fields}"'
        raise ServerError({**error.status, "message": f"{about}: {error}"}) from error
    return found


def items_of(listed: Object, resource: Resource) -> list[Object]:
    return [
        {"apiVersion": resource.api_version, "kind": resource.kind, **item}
        for item in listed.get("items") or ()
    ]


def resolve(
    session: Session, arguments: list[str], flags: Values, *, need_names: bool = True
) -> Iterator[tuple[Selection, Object]]:
    """Every object that the arguments name, as it is on the server now; errors of single ones come after the others."""
    errors: list[ServerError] = []
    chosen = select(session, arguments, flags)
    if not chosen:
        raise CliError(NOTHING_NAMED)
    for one in chosen:
        if (
            not one.name
            and need_names
            and not (flags.get("all") or flags.get("selector") or flags.get("field-selector"))
        ):
            raise CliError(NO_NAMES)
        try:
            for obj in fetch(session, one, flags):
                metadata = obj["metadata"]
                yield one._replace(name=metadata["name"], namespace=metadata.get("namespace", "")), obj
        except ServerError as error:
            errors.append(error)
    raise_all(errors)


def each(
    session: Session, arguments: list[str], flags: Values, do: Callable[[Selection, Object], None]
) -> int:
    """`do` to all that the arguments name, or the files as they stand; errors come after the others. The number of objects."""
    errors: list[CliError] = []
    number = 0

    def found() -> Iterator[tuple[Selection, Object]]:
        if has_files(flags) and not arguments:
            yield from ((one, one.manifest or {}) for one in from_files_with_errors(session, flags, errors))
        else:
            yield from resolve(session, arguments, flags)

    try:
        for one, obj in found():
            number += 1
            try:
                do(one, obj)
            except CliError as error:
                errors.append(error)
    except CliError as error:
        errors.append(error)
    raise_all(errors)
    return number


def raise_all(errors: "list[ServerError] | list[CliError]") -> None:
    """One error as it is; several one below the other."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Several(errors)


class Several(CliError):
    def __init__(self, errors: "list[ServerError] | list[CliError]") -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self._errors = errors

    def text(self) -> str:
        return "\n".join(error.among_others() for error in self._errors)
