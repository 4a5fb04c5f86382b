"""The build: a directory in, objects out."""

from typing import Any

from pinnace.cli.kustomize import accumulate, kustomization_file, name_hash, name_references, order
from pinnace.cli.kustomize.errors import NotCovered, Undecorated
from pinnace.cli.kustomize.files import Folder, is_remote
from pinnace.cli.kustomize.resource import Resource
from pinnace.cli.kustomize.resource_set import ResourceSet
from pinnace.cli.kustomize.scalars import text_of

Object = dict[str, Any]
_LOCAL = "config.kubernetes.io/local-config"


def build(path: str, *, anywhere: bool = False, helm_is_enabled: bool = False) -> list[Object]:
    """Sorted by kind unless the file says how. `anywhere` lets files lie outside of their kustomization."""
    try:
        return _built(path, anywhere=anywhere, helm_is_enabled=helm_is_enabled)
    except RecursionError as error:
        raise Undecorated("an object is nested too deeply") from error
    except (AttributeError, TypeError, KeyError) as error:
        # Objects may have any form: a list where labels stand, a number where containers do. Each transformer would have to ask.
        raise Undecorated(
            f"an object or a patch does not have the form that its kind asks for: {error}"
        ) from error


def _built(path: str, *, anywhere: bool, helm_is_enabled: bool) -> list[Object]:
    if is_remote(path):
        raise NotCovered(f"the remote source {path}")
    folder = Folder.at(path, anywhere=anywhere, helm_is_enabled=helm_is_enabled)
    content = kustomization_file.load(folder)
    found = ResourceSet()
    accumulate.accumulate(folder, content, found)
    for one in found.items:
        if one.needs_hash:
            suffix = name_hash.of(one.obj)
            one.remember()
            one.metadata["name"] = f"{one.name}-{suffix}"
    name_references.follow(found.items)
    kept = [one for one in found.items if not _is_local(one)]
    options = content.get("sortOptions") or {"order": "legacy"}
    return [_tidy(one.obj) for one in order.ordered(kept, options)]


def _is_local(one: Resource) -> bool:
    return one.annotations().get(_LOCAL, "false") != "false"


def _tidy(obj: Object) -> Object:
    """Annotations are text, whatever a patch made of them."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    for key, value in annotations.items():
        if not isinstance(value, str):
            annotations[key] = text_of(value)
    return obj
