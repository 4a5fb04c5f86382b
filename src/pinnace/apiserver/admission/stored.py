"""What plugins look up: the objects of one kind in a namespace. Costs nothing on a server that has none of the kind."""

from typing import Any

from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.storage.options import ListOptions
from pinnace.apiserver.storage.scope import Scope

Object = dict[str, Any]


async def objects_in(registries: Registries, gvr: GVR, namespace: str = "") -> list[Object]:
    """Shared and read-only, as the cache has them (upstream's plugins ask informers); "" means every namespace."""
    storage = registries.of(gvr).storage
    if await storage.is_empty():
        return []
    return [
        item.obj for item in (await storage.list(ListOptions(Scope(namespace), resource_version="0"))).items
    ]
