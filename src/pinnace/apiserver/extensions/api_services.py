"""The APIServices of custom resources: one for each group and version that a definition serves.

https://github.com/kubernetes/kubernetes/blob/master/pkg/controlplane/controller/crdregistration/crdregistration_controller.go
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.apimachinery.errors import AlreadyExists, NotFound
from pinnace.apiserver.aggregation.registrations import MANAGED, local_service, stamp
from pinnace.apiserver.registry.metadata import fill_on_create

if TYPE_CHECKING:
    from pinnace.apiserver.registry.catalog import Registries


async def keep(registries: "Registries", served: Iterable[tuple[str, str]]) -> None:
    """Make what is missing and remove what is of no definition any more; what somebody else made is left alone."""
    storage = registries.of(r.API_SERVICES).storage
    wanted = {f"{version}.{group}": (group, version) for group, version in served}
    present = {item.name: item.obj for item in (await storage.list()).items}
    for name, (group, version) in wanted.items():
        if name not in present:
            obj = local_service(group, version, stamp(registries), is_custom=True)
            fill_on_create(obj, registries.clock.now())
            try:
                await storage.create(obj)
            except AlreadyExists:
                continue
    for name, obj in present.items():
        if name not in wanted and meta.labels(obj).get(MANAGED) == "true":
            try:
                await storage.delete(name)
            except NotFound:
                continue
