"""Reading the metadata that every object has, and copying before changing."""

from typing import Any

from pinnace.apimachinery.gvk import GVK, parse_api_version

Object = dict[str, Any]


def name(obj: Object) -> str:
    return obj["metadata"]["name"]


def namespace(obj: Object) -> str:
    """The namespace, or "" for cluster-scoped objects."""
    return obj["metadata"].get("namespace", "")


def uid(obj: Object) -> str:
    return obj["metadata"].get("uid", "")


def key(obj: Object) -> tuple[str, str]:
    """(namespace, name)."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def key_text(obj: Object) -> str:
    """`namespace/name`, or `name` for cluster-scoped objects."""
    space, own = key(obj)
    return f"{space}/{own}" if space else own


def labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def is_terminating(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def resource_version(obj: Object) -> str:
    return obj["metadata"].get("resourceVersion", "")


def gvk(obj: Object) -> GVK:
    group, version = parse_api_version(obj.get("apiVersion", ""))
    return GVK(group, version, obj.get("kind", ""))


def controller_of(obj: Object) -> dict[str, Any] | None:
    """The owner reference whose `controller` is true."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return reference
    return None


def owner_reference(
    owner: Object, *, controller: bool = True, block_owner_deletion: bool = True
) -> dict[str, Any]:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": block_owner_deletion,
    }


def mutable_copy(obj: Object) -> Object:
    """A deep copy that the caller may change; what caches hold is read-only."""
    return {key: _copy_of(value) for key, value in obj.items()}


def _copy_of(value: Any) -> Any:
    """Decoded JSON consists of dicts, lists and values that never change: five times faster than `deepcopy`."""
    kind = value.__class__
    if kind is dict:
        return {key: _copy_of(entry) for key, entry in value.items()}
    if kind is list:
        return [_copy_of(entry) for entry in value]
    return value


def object_reference(obj: Object) -> dict[str, str]:
    """A core/v1 ObjectReference, as events carry it."""
    reference = {
        "apiVersion": obj.get("apiVersion", ""),
        "kind": obj.get("kind", ""),
        "name": obj["metadata"]["name"],
        "namespace": obj["metadata"].get("namespace", ""),
        "uid": obj["metadata"].get("uid", ""),
        "resourceVersion": obj["metadata"].get("resourceVersion", ""),
    }
    return {field: value for field, value in reference.items() if value}


def find_condition(obj: Object, kind: str) -> dict[str, Any] | None:
    """The entry of `status.conditions` with this type."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind:
            return condition
    return None


def condition_is_true(obj: Object, kind: str) -> bool:
    condition = find_condition(obj, kind)
    return condition is not None and condition.get("status") == "True"
