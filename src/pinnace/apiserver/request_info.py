"""What a request asks for, read from method, path and query: verb, group, resource, namespace, name, subresource.

Rules: https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/request/requestinfo.go
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pinnace.apimachinery import selectors
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.short_cache import short_cache

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMESPACE_SUBRESOURCES = frozenset(("status", "finalize"))
_SELECTING = frozenset(("list", "watch", "deletecollection"))


@dataclass(frozen=True, slots=True)
class RequestInfo:
    path: str
    verb: str
    is_resource: bool
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: tuple[str, ...] = ()  # path segments behind the subresource: what `proxy` forwards
    name_in_path: bool = False
    field_selector: str = ""  # of list, watch and deletecollection: authorizers may look at them
    label_selector: str = ""

    @property
    def gvr(self) -> GVR:
        return GVR(self.group, self.version, self.resource)


def resolve(method: str, path: str, query: Mapping[str, list[str]]) -> RequestInfo:
    """Total: a path that names no resource gives `is_resource` False and the HTTP verb."""
    return _of_post(path) if method == "POST" and not query else _resolve(method, path, query)


@short_cache(256)
def _of_post(path: str) -> RequestInfo:
    """Creations go to the same few paths again and again."""
    return _resolve("POST", path, {})


def _resolve(method: str, path: str, query: Mapping[str, list[str]]) -> RequestInfo:
    segments = [segment for segment in path.split("/") if segment]
    located = _locate(segments)
    if located is None:
        return RequestInfo(path, method.lower(), False)
    group, version, parts, watch_prefix = located
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    verb = "watch" if watch_prefix else _VERBS.get(method, "")  # any other method has no verb, as upstream
    named = bool(name)
    if not name and verb == "get":
        verb = "watch" if is_true(query, "watch") else "list"
    if not name and verb == "delete":
        verb = "deletecollection"
    fields = labels = ""
    if query and verb in _SELECTING:
        fields, labels = (query.get("fieldSelector") or ("",))[0], (query.get("labelSelector") or ("",))[0]
        if not name and "metadata.name" in fields:
            name = name_in_selector(fields)
    return RequestInfo(
        path,
        verb,
        True,
        group,
        version,
        parts[0],
        namespace,
        name,
        subresource,
        tuple(parts[3:]),
        named,
        fields,
        labels,
    )


def _locate(segments: list[str]) -> tuple[str, str, list[str], bool] | None:
    """(group, version, segments from the resource on, whether it is the old /watch/ form)."""
    if len(segments) >= 3 and segments[0] == "api":
        group, version, parts = "", segments[1], segments[2:]
    elif len(segments) >= 4 and segments[0] == "apis":
        group, version, parts = segments[1], segments[2], segments[3:]
    else:
        return None
    if parts[0] == "watch" and len(parts) > 1:
        return group, version, parts[1:], True
    return group, version, parts, False


def is_true(query: Mapping[str, list[str]], name: str) -> bool:
    """A parameter that is there is true, whatever its value, unless that is `false` or `0`: so upstream reads it."""
    values = query.get(name)
    return bool(values) and values is not None and values[0] != "0" and values[0].lower() != "false"


def name_in_selector(text: str) -> str:
    """`metadata.name=x` in a field selector counts as naming one object, for authorization."""
    try:
        terms = selectors.parse_fields(text)
    except selectors.SelectorError:
        return ""
    return next((t.value for t in terms if t.path == "metadata.name" and not t.negated), "")
