"""What webhooks and policies both ask of a request: its namespace, its labels and its namespace's, other versions of its resource."""

from collections.abc import Mapping
from typing import Any

from pinnace.api import resources as r
from pinnace.api.resources import Resource
from pinnace.apimachinery.selectors import Selector
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.registry.catalog import Registries


def namespace_of(admission: Admission) -> str:
    """Of the request; for a Namespace its own name, as upstream."""
    if not admission.namespace and admission.resource.gvr == r.NAMESPACES:
        return admission.name
    return admission.namespace


async def selects_namespace(registries: Registries, selector: Selector, admission: Admission) -> bool:
    """What is in no namespace is always meant. Raises NotFound when the namespace is missing."""
    namespace, is_namespace = namespace_of(admission), admission.resource.gvr == r.NAMESPACES
    if (not namespace and not is_namespace) or selector.is_everything:
        return True
    if is_namespace and not admission.subresource and admission.object is not None:
        return selector.matches(_labels(admission.object))
    item = await registries.of(r.NAMESPACES).storage.get(namespace)
    return selector.matches(_labels(item.obj))


def selects_object(selector: Selector, admission: Admission) -> bool:
    """The new or the old object; what has no metadata (the options of a connection) has no labels to select."""
    if selector.is_everything:
        return True
    return any(
        obj is not None and "metadata" in obj and selector.matches(_labels(obj))
        for obj in (admission.object, admission.old)
    )


def equivalents(registries: Registries, row: Resource) -> list[Resource]:
    """Other resources that show the same stored objects."""
    own = _objects_of(row)
    return [other for other in registries.rows if other.gvr != row.gvr and _objects_of(other) == own]


def _objects_of(row: Resource) -> object:
    """What tells the stored objects behind a resource: versions of one kind share them."""
    if row.stored_version:
        return row.storage
    return row.view_of or row.gvr


def _labels(obj: Mapping[str, Any]) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}
