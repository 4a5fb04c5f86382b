"""Writing what the server decides about a definition: accepted names, Established, approval."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pinnace.api import resources as r
from pinnace.api.apiextensions import conditions
from pinnace.apimachinery.errors import NotFound
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.registry.context import WriteContext
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    from pinnace.apiserver.extensions.definition import Definition, Object
    from pinnace.apiserver.registry.catalog import Registries

SERVER = User("system:apiserver", ("system:masters", "system:authenticated"))


def context(clock: Clock) -> WriteContext:
    return WriteContext(SERVER, clock.now(), "kube-apiserver", field_validation="Ignore")


async def settle(
    definition: "Definition", others: "Sequence[Object]", registries: "Registries", clock: Clock
) -> bool:
    """Whether the status had to be changed, so that others of the group may be concerned."""
    now = clock.now()
    if conditions.with_names(definition.obj, others, now)["status"] == definition.obj.get("status"):
        return False

    def produce(current: "Object") -> "Object":
        return conditions.with_names(current, others, now)

    try:
        await registries.of(r.CUSTOM_RESOURCE_DEFINITIONS).change(
            definition.name, "", produce, context(clock), subresource="status"
        )
    except NotFound:
        return False
    return True
