"""The operations of a resource: one for each path and method, in a form that both versions of OpenAPI render."""

from collections.abc import Iterator
from dataclasses import dataclass

from pinnace.api.resources import Resource, Subresource
from pinnace.apimachinery.gvk import GVK, parse_api_version

# Query parameters: name -> (type, description).
QUERY: dict[str, tuple[str, str]] = {
    "allowWatchBookmarks": ("boolean", "Ask for BOOKMARK events in a watch."),
    "continue": ("string", "The token of the previous chunk of a list."),
    "dryRun": ("string", "All: go through every stage, but store nothing."),
    "fieldManager": ("string", "The name of the actor that makes the change."),
    "fieldSelector": ("string", "Restrict the objects by their fields."),
    "fieldValidation": (
        "string",
        "What to do with unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
    ),
    "force": ("boolean", "Take over fields that other managers own; for apply patches only."),
    "gracePeriodSeconds": ("integer", "Seconds before the object is deleted; 0 deletes at once."),
    "labelSelector": ("string", "Restrict the objects by their labels."),
    "limit": ("integer", "The largest number of objects in one answer."),
    "pretty": ("string", "Whether the answer is indented."),
    "propagationPolicy": ("string", "What happens to dependents: Orphan, Background or Foreground."),
    "resourceVersion": ("string", "The version from which, or not older than which, to answer."),
    "resourceVersionMatch": ("string", "How resourceVersion applies to a list."),
    "sendInitialEvents": ("boolean", "Begin a watch with the objects that exist."),
    "timeoutSeconds": ("integer", "How long a list or watch may take."),
    "watch": ("boolean", "Stream changes instead of a list."),
    # pods/log
    "container": ("string", "The container; may be left out when the pod has only one."),
    "follow": ("boolean", "Go on streaming."),
    "insecureSkipTLSVerifyBackend": ("boolean", "Do not verify the certificate of the kubelet."),
    "limitBytes": ("integer", "The largest number of bytes to answer with."),
    "previous": ("boolean", "The logs of the container's previous run."),
    "sinceSeconds": ("integer", "Only what is younger than this."),
    "tailLines": ("integer", "Only this many lines from the end."),
    "timestamps": ("boolean", "Begin each line with its time."),
}

_LIST = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
)  # fmt: skip
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_DELETE = ("dryRun", "gracePeriodSeconds", "propagationPolicy")
_LOG = (
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "tailLines",
    "timestamps",
)

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
DELETE_OPTIONS, STATUS, PATCH = f"{META}DeleteOptions", f"{META}Status", f"{META}Patch"


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` and `answer` name kinds (GVK), definitions (str), or nothing (None); an answer of None is plain text."""

    path: str
    method: str
    action: str
    operation_id: str
    description: str
    gvk: GVK
    query: tuple[str, ...] = ()
    body: GVK | str | None = None
    answer: GVK | str | None = None
    is_custom: bool = False  # of a custom resource, which knows no strategic merge patch

    @property
    def path_parameters(self) -> list[str]:
        return [name for name in ("namespace", "name", "path") if f"{{{name}}}" in self.path]


def operations(row: Resource) -> Iterator[Operation]:
    yield from _Paths(row).all()


def _camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in text.replace("-", ".").split("."))


class _Paths:
    """All operations of one row."""

    def __init__(self, row: Resource) -> None:
        self._row = row
        group = _camel(row.gvr.group.removesuffix(".k8s.io")) if row.gvr.group else "Core"
        self._prefix = group + _camel(row.gvr.version)
        self._scope = "Namespaced" if row.namespaced else ""
        self._collection = row.gvr.path("{namespace}" if row.namespaced else None)
        self._item = f"{self._collection}/{{name}}"
        self._list = GVK(row.gvr.group, row.gvr.version, row.list_kind)

    def _operation(
        self, path: str, method: str, action: str, verb: str, description: str, *, suffix: str = "",
        gvk: GVK | None = None, query: tuple[str, ...] = (), body: GVK | str | None = None,
        answer: GVK | str | None = None,
    ) -> Operation:  # fmt: skip
        name = f"{verb}{self._prefix}{suffix or self._scope + self._row.kind}"
        return Operation(
            path, method, action, name, description, gvk or self._row.gvk, query, body, answer, bool(self._row.revision)
        )  # fmt: skip

    def all(self) -> Iterator[Operation]:
        yield from self._of_collection()
        yield from self._of_item()
        for sub in self._row.subresources:
            if sub.name in ("attach", "exec", "portforward", "proxy"):
                yield from self._of_connection(sub)
            else:
                yield from self._of_subresource(sub)

    def _of_collection(self) -> Iterator[Operation]:
        row, verbs, kind = self._row, self._row.verbs, self._row.kind
        if "list" in verbs:
            text = f"list or watch objects of kind {kind}"
            yield self._operation(
                self._collection, "get", "list", "list", text, query=_LIST, answer=self._list
            )
            if row.namespaced:
                everywhere = f"{kind}ForAllNamespaces"
                yield self._operation(
                    row.gvr.path(), "get", "list", "list", text, suffix=everywhere, query=_LIST, answer=self._list
                )  # fmt: skip
        if "create" in verbs:
            yield self._operation(
                self._collection, "post", "post", "create", f"create a {kind}", query=_WRITE, body=row.gvk,
                answer=row.gvk,
            )  # fmt: skip
        if "deletecollection" in verbs:
            yield self._operation(
                self._collection, "delete", "deletecollection", "delete", f"delete collection of {kind}",
                suffix=f"Collection{self._scope}{kind}", query=(*_DELETE, "fieldSelector", "labelSelector"),
                body=DELETE_OPTIONS, answer=STATUS,
            )  # fmt: skip

    def _of_item(self) -> Iterator[Operation]:
        row, verbs, kind = self._row, self._row.verbs, self._row.kind
        if "get" in verbs:
            yield self._operation(
                self._item, "get", "get", "read", f"read the specified {kind}", answer=row.gvk
            )
        if "update" in verbs:
            yield self._operation(
                self._item, "put", "put", "replace", f"replace the specified {kind}", query=_WRITE, body=row.gvk,
                answer=row.gvk,
            )  # fmt: skip
        if "patch" in verbs:
            yield self._operation(
                self._item, "patch", "patch", "patch", f"partially update the specified {kind}",
                query=(*_WRITE, "force"), body=PATCH, answer=row.gvk,
            )  # fmt: skip
        if "delete" in verbs:
            yield self._operation(
                self._item, "delete", "delete", "delete", f"delete a {kind}", query=_DELETE, body=DELETE_OPTIONS,
                answer=STATUS,
            )  # fmt: skip

    def _kind_of(self, sub: Subresource) -> GVK:
        if not sub.kind:
            return self._row.gvk
        group, version = parse_api_version(sub.api_version or self._row.gvr.api_version)
        return GVK(group, version, sub.kind)

    def _of_subresource(self, sub: Subresource) -> Iterator[Operation]:
        gvk, path = self._kind_of(sub), f"{self._item}/{sub.name}"
        suffix = f"{self._scope}{self._row.kind}{_camel(sub.name)}"
        subject = f"{sub.name} of the specified {self._row.kind}"
        forms: dict[str, tuple[str, str, str, tuple[str, ...], GVK | str | None]] = {
            "create": ("post", "post", "create", _WRITE, gvk),
            "get": ("get", "get", "read", _LOG if sub.name == "log" else (), None),
            "patch": ("patch", "patch", "patch", (*_WRITE, "force"), PATCH),
            "update": ("put", "put", "replace", _WRITE, gvk),
        }
        for verb in sub.verbs:
            if verb in forms:
                method, action, word, query, body = forms[verb]
                yield self._operation(
                    path, method, action, word, f"{word} {subject}", suffix=suffix, gvk=gvk, query=query,
                    body=body, answer=None if sub.name == "log" else gvk,
                )  # fmt: skip

    def _of_connection(self, sub: Subresource) -> Iterator[Operation]:
        gvk, path = self._kind_of(sub), f"{self._item}/{sub.name}"
        methods = {"create": "post", "delete": "delete", "get": "get", "patch": "patch", "update": "put"}
        for verb in sub.verbs:
            method = methods[verb]
            for place, tail in ((path, ""), (f"{path}/{{path}}", "WithPath")):
                if tail and sub.name != "proxy":
                    continue
                suffix = f"{_camel(method)}{self._scope}{self._row.kind}{_camel(sub.name)}{tail}"
                text = f"connect {method.upper()} requests to {sub.name} of {self._row.kind}"
                yield self._operation(place, method, "connect", "connect", text, suffix=suffix, gvk=gvk)
