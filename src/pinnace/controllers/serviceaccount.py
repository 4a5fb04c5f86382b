"""ServiceAccount controller: every active namespace has a ServiceAccount called `default`."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import NAMESPACES, SERVICE_ACCOUNTS
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Create, World

DEFAULT = "default"


def reconcile(namespace: Object, world: World) -> Iterator[Action]:
    name = meta.name(namespace)
    if is_active(namespace) and world.get(SERVICE_ACCOUNTS, DEFAULT, name) is None:
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": DEFAULT, "namespace": name},
        }
        yield Create(account, may_exist=True)


def is_active(namespace: Object) -> bool:
    return (
        not meta.is_terminating(namespace) and (namespace.get("status") or {}).get("phase") != "Terminating"
    )


def namespace_of_deleted(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Only a deletion needs looking at."""
    if old is not None and new is None:
        yield "", meta.namespace(old)


CONTROLLER = Controller(
    name="serviceaccount",
    source="serviceaccount-controller",
    primary=NAMESPACES,
    reconcile=reconcile,
    watches={SERVICE_ACCOUNTS: namespace_of_deleted},
    workers=1,
)
