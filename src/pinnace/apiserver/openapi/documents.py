"""The documents: one for all in OpenAPI v2, one for each group and version in v3."""

from collections.abc import Iterable, Sequence
from typing import Any

from pinnace.api.resources import Resource
from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.schema_definitions import Definitions
from pinnace.apiserver.openapi.custom import CustomDefinitions
from pinnace.apiserver.openapi.definitions import Dialect, DialectDefinitions
from pinnace.apiserver.openapi.operations import QUERY, Operation, operations

Document = dict[str, Any]

_PATCH_TYPES = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
_JSON, _YAML = "application/json", "application/yaml"
_PATH_TEXTS = {
    "name": "The name of the object.",
    "namespace": "The namespace of the object.",
    "path": "The path of the request that is passed on.",
}


def v3(
    rows: Sequence[Resource], definitions: Definitions, version: str, custom: CustomDefinitions | None = None
) -> Document:
    """The document of the rows of one group and version."""
    writer = _V3(DialectDefinitions(definitions, "v3", custom))
    paths = writer.paths(rows)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": paths,
        "components": {"schemas": writer.schemas()},
    }


def v2(
    rows: Sequence[Resource], definitions: Definitions, version: str, custom: CustomDefinitions | None = None
) -> Document:
    writer = _V2(DialectDefinitions(definitions, "v2", custom))
    paths = writer.paths(rows)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": paths,
        "definitions": writer.schemas(),
    }


class _Writer:
    """Renders operations and remembers which definitions they name."""

    dialect: Dialect

    def __init__(self, definitions: DialectDefinitions) -> None:
        self._definitions = definitions
        self._used: set[str] = set()

    def paths(self, rows: Iterable[Resource]) -> Document:
        found: Document = {}
        for row in rows:
            for name in (self._definitions.name_of(row.gvk), self._definitions.name_of(_list_of(row))):
                if name:
                    self._used.add(name)
            for operation in operations(row):
                item = found.setdefault(operation.path, {})
                item[operation.method] = self._operation(operation)
        return dict(sorted(found.items()))

    def schemas(self) -> Document:
        return self._definitions.closure(self._used)

    def _schema(self, kind: GVK | str | None) -> Document:
        """A reference to a definition; plain text for nothing, an object for a kind that has no definition."""
        if kind is None:
            return {"type": "string"}
        name = kind if isinstance(kind, str) else self._definitions.name_of(kind)
        if name is None:
            return {"type": "object"}
        self._used.add(name)
        return self._definitions.ref(name)

    def _operation(self, operation: Operation) -> Document:
        raise NotImplementedError

    def _common(self, operation: Operation) -> Document:
        group, version, kind = operation.gvk
        return {
            "tags": [operation.path.split("/")[2].removesuffix(".k8s.io") if group else "core_v1"],
            "description": operation.description,
            "operationId": operation.operation_id,
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": version},
        }


def _list_of(row: Resource) -> GVK:
    return GVK(row.gvr.group, row.gvr.version, row.list_kind)


class _V3(_Writer):
    def _operation(self, operation: Operation) -> Document:
        parameters = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PATH_TEXTS[name],
                "schema": {"type": "string"},
            }
            for name in operation.path_parameters
        ]
        parameters += [
            {"name": name, "in": "query", "description": QUERY[name][1], "schema": {"type": QUERY[name][0]}}
            for name in operation.query
        ]
        document = {**self._common(operation), "parameters": parameters}
        if operation.body is not None:
            types = _patch_types(operation) if operation.method == "patch" else (_JSON, _YAML)
            schema = self._schema(operation.body)
            document["requestBody"] = {"content": {media: {"schema": schema} for media in types}}
        answer = self._schema(operation.answer)
        answers = (_JSON, _YAML) if operation.answer is not None else ("text/plain",)
        content = {media: {"schema": answer} for media in answers}
        document["responses"] = {
            code: {"description": text, "content": content} for code, text in _codes(operation).items()
        }
        document["responses"]["401"] = {"description": "Unauthorized"}
        return document


class _V2(_Writer):
    def _operation(self, operation: Operation) -> Document:
        parameters: list[Document] = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PATH_TEXTS[name],
                "type": "string",
                "uniqueItems": True,
            }
            for name in operation.path_parameters
        ]
        if operation.body is not None:
            parameters.append(
                {"name": "body", "in": "body", "required": True, "schema": self._schema(operation.body)}
            )
        parameters += [
            {
                "name": name,
                "in": "query",
                "description": QUERY[name][1],
                "type": QUERY[name][0],
                "uniqueItems": True,
            }
            for name in operation.query
        ]
        answer = self._schema(operation.answer)
        responses: Document = {
            code: {"description": text, "schema": answer} for code, text in _codes(operation).items()
        }
        responses["401"] = {"description": "Unauthorized"}
        return {
            **self._common(operation),
            "consumes": _patch_types(operation) if operation.method == "patch" else [_JSON, _YAML],
            "produces": [_JSON, _YAML] if operation.answer is not None else ["text/plain"],
            "schemes": ["https"],
            "parameters": parameters,
            "responses": responses,
        }


def _patch_types(operation: Operation) -> list[str]:
    return [media for media in _PATCH_TYPES if not (operation.is_custom and "strategic" in media)]


def _codes(operation: Operation) -> dict[str, str]:
    codes = {"200": "OK"}
    if operation.action in ("post", "put", "patch"):
        codes["201"] = "Created"
    if operation.action in ("post", "delete"):
        codes["202"] = "Accepted"
    return codes
