"""`explain`: what a resource and its fields mean, from the server's OpenAPI v3 document of the group and version.

Left out: `--output plaintext-openapiv2`, which reads the document of the older form; it is refused.
"""

import sys
from typing import Any

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.mapper import Resource
from pinnace.cli.openapi_text import DocumentText
from pinnace.cli.session import Session

Object = dict[str, Any]


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if not arguments:
        raise CliError(
            "You must specify the type of resource to explain. "
            f'Use "{session.program} api-resources" for a complete list of supported resources.'
        )
    if len(arguments) > 1:
        raise CliError("We accept only this format: explain RESOURCE")
    if flags["output"] == "plaintext-openapiv2":
        raise CliError(
            '"plaintext-openapiv2" is not there: it reads the OpenAPI v2 document; use --output=plaintext'
        )
    if flags["output"] != "plaintext":
        raise CliError(f"unrecognized format: {flags['output']}")
    resource, fields = _named(session, arguments[0], flags["api-version"])
    document = _document(session, resource)
    sys.stdout.writelines(DocumentText(document, recursive=flags["recursive"]).explain(resource, fields))
    return 0


def _named(session: Session, text: str, api_version: str) -> tuple[Resource, list[str]]:
    """`deployments.spec` or `deployments.apps.spec`: the resource, and the way to a field of it."""
    words = text.removesuffix(".").split(".")
    if api_version:
        base = _found(session, words[0])
        group, _, version = api_version.rpartition("/")
        for row in session.mapper.all():
            if (row.group, row.version, row.name) == (group, version, base.name):
                return row, words[1:]
        raise CliError(f'couldn\'t find resource for "{api_version}, Resource={base.name}"')
    for row in session.mapper.all():
        parts = row.group.split(".")
        if row.group and words[0].lower() in _names(row) and words[1 : len(parts) + 1] == parts:
            return row, words[len(parts) + 1 :]
    return _found(session, words[0]), words[1:]


def _names(row: Resource) -> tuple[str, ...]:
    return (row.name, row.singular, row.kind.lower(), *row.short_names)


def _found(session: Session, text: str) -> Resource:
    try:
        return session.mapper.find(text)
    except CliError as error:
        raise PlainError(str(error)) from error


def _document(session: Session, resource: Resource) -> Object:
    """The document of one group and version, by the address that the index gives."""
    root = f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"
    try:
        index = session.http.get("/openapi/v3")
    except ServerError as error:
        raise CliError(f"failed to fetch openapi v3 paths: {error}") from error
    entry = (index.get("paths") or {}).get(root)
    if entry is None:
        raise CliError(f'couldn\'t find resource for "{resource.api_version}, Resource={resource.name}"')
    path, _, query = entry["serverRelativeURL"].partition("?")
    pairs = [(key, value) for key, _, value in (part.partition("=") for part in query.split("&")) if key]
    document: Object = session.http.get(path, pairs)
    return document


EXPLAIN = Command(
    run,
    (
        Flag("recursive", kind="bool", help="Print the names of all fields below, without their descriptions."),
        Flag("api-version", help="Use this version of the resource's group, e.g. apps/v1."),
        Flag("output", default="plaintext", help="plaintext."),
    ),
    "TYPE [--recursive=FALSE|TRUE] [--api-version=api-version-group] [-o|--output=plaintext]",
    "Describe fields and structure of various resources.",
)  # fmt: skip
