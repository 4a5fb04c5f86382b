"""`namePrefix` and `nameSuffix`; kinds whose names mean something keep them."""

from typing import Any

from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource import Resource
from pinnace.cli.kustomize.resource_set import ResourceSet

_KEPT = (("apiextensions.k8s.io", "CustomResourceDefinition"), ("apiregistration.k8s.io", "APIService"), ("", "Namespace"))  # fmt: skip


def prefix(_: Folder, content: dict[str, Any], resources: ResourceSet) -> None:
    added = content.get("namePrefix")
    if added:
        for one in filter(_is_renamed, resources.items):
            one.prefixes.append(added)
            _rename(one, f"{added}{one.name}")


def suffix(_: Folder, content: dict[str, Any], resources: ResourceSet) -> None:
    added = content.get("nameSuffix")
    if added:
        for one in filter(_is_renamed, resources.items):
            one.suffixes.append(added)
            _rename(one, f"{one.name}{added}")


def _is_renamed(one: Resource) -> bool:
    gvk = one.original_id.gvk
    return (gvk.group, gvk.kind) not in _KEPT


def _rename(one: Resource, name: str) -> None:
    one.remember()
    one.metadata["name"] = name
