"""`pods/resize`: cpu and memory of a pod that exists. What the request may carry, and what it may ask for.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/pod/strategy.go (podResizeStrategy) and
ValidatePodResize. What was asked for is stored here; carrying it out, and `status`, are the kubelet's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, meta
from pinnace.api.core.pod_resources import compute_qos_class, qos_class
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Container = Mapping[str, Any]
RESIZABLE = ("cpu", "memory")
_CARRIED = ("resources", "resizePolicy")
_MIRROR = "kubernetes.io/config.mirror"
_PARTS = ("containers", "initContainers")


def resized(new: Object, old: Object) -> Object:
    """The old pod with the resources of the new one; containers of other names stand as they came, to be refused."""
    spec = meta.mutable_copy(old["spec"])
    wanted = new.get("spec") or {}
    for part in _PARTS:
        if asked := wanted.get(part):
            known = {one.get("name"): one for one in spec.get(part) or ()}
            spec[part] = [_with_resources(known.get(one.get("name")), one) for one in asked]
    if "resources" in wanted:
        spec["resources"] = wanted["resources"]
    else:
        spec.pop("resources", None)
    own = {**meta.mutable_copy(old["metadata"]), "name": new["metadata"].get("name", "")}
    for field in ("resourceVersion", "managedFields"):
        if field in new["metadata"]:
            own[field] = new["metadata"][field]
    return {**old, "metadata": own, "spec": spec}


def _with_resources(before: Container | None, asked: Container) -> Object:
    if before is None:
        return dict(asked)
    kept = {key: value for key, value in before.items() if key not in _CARRIED}
    return kept | {key: asked[key] for key in _CARRIED if key in asked}


def validate_resize(new: Object, old: Object) -> Found:
    if _MIRROR in meta.annotations(old):
        yield fields.forbidden("", "static pods cannot be resized")
        return
    if (old["spec"].get("os") or {}).get("name") == "windows":
        yield fields.forbidden("", "windows pods cannot be resized")
        return
    computed = compute_qos_class(new["spec"])
    if qos_class(old) != computed:
        why = "Pod QOS Class may not change as a result of resizing"
        yield fields.invalid("spec", computed, why)
    if not _is_supported(old):
        yield fields.forbidden("spec", "Pod running on node without support for resize")
    misplaced = list(_validate_same_containers(new["spec"], old["spec"]))
    if misplaced:
        yield from misplaced
        return
    for part in _PARTS:
        pairs = zip(new["spec"].get(part) or (), old["spec"].get(part) or (), strict=True)
        for index, (after, before) in enumerate(pairs):
            yield from _validate_container(after, before, part, f"spec.{part}[{index}].resources")
    after, before = new["spec"].get("resources") or {}, old["spec"].get("resources") or {}
    yield from _validate_nothing_removed(after, before, "spec.resources")
    if _without_amounts(new["spec"]) != _without_amounts(old["spec"]):
        yield fields.forbidden("spec", "only cpu and memory resources are mutable")


def _is_supported(pod: Object) -> bool:
    """A kubelet that can resize reports the resources of the containers that run."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if (status.get("state") or {}).get("running") is not None:
            return status.get("resources") is not None
    return True


def _validate_same_containers(after: Object, before: Object) -> Found:
    for part in _PARTS:
        news = [one.get("name") for one in after.get(part) or ()]
        olds = [one.get("name") for one in before.get(part) or ()]
        if len(news) != len(olds):
            yield fields.forbidden(f"spec.{part}", f"{part} may not be added or removed on resize")
        elif news != olds:
            yield fields.forbidden(f"spec.{part}", f"{part} may not be renamed or reordered on resize")


def _validate_container(after: Container, before: Container, part: str, path: str) -> Found:
    new, old = after.get("resources") or {}, before.get("resources") or {}
    if part == "initContainers" and before.get("restartPolicy") != "Always":
        if new != old:
            yield fields.forbidden(path, "resources for non-sidecar init containers are immutable")
        return
    yield from _validate_nothing_removed(new, old, path)


def _validate_nothing_removed(after: Container, before: Container, path: str) -> Found:
    for field in ("requests", "limits"):
        had, has = before.get(field) or {}, after.get(field) or {}
        if any(name in had and name not in has for name in RESIZABLE):
            yield fields.forbidden(f"{path}.{field}", f"resource {field} cannot be removed")


def _without_amounts(spec: Container) -> dict[str, Any]:
    """What a resize may not touch."""
    rest = dict(spec)
    for part in _PARTS:
        if part in spec:
            rest[part] = [{**one, "resources": _fixed(one.get("resources"))} for one in spec[part]]
    rest["resources"] = _fixed(spec.get("resources"))
    return rest


def _fixed(resources: Container | None) -> dict[str, Any]:
    found = dict(resources or {})
    for field in ("requests", "limits"):
        amounts = found.pop(field, None) or {}
        if others := {name: value for name, value in amounts.items() if name not in RESIZABLE}:
            found[field] = others
    return found
