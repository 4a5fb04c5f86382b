"""ServiceAccount token Secrets: deleted when their account is gone.

Filling such Secrets with tokens (the legacy, never expiring kind) is left out: pods and people use TokenRequest.
"""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import SECRETS, SERVICE_ACCOUNTS
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Delete, World

TYPE = "kubernetes.io/service-account-token"
NAME = "kubernetes.io/service-account.name"
UID = "kubernetes.io/service-account.uid"


def reconcile(secret: Object, world: World) -> Iterator[Action]:
    wanted = meta.annotations(secret)
    if secret.get("type") != TYPE or not wanted.get(NAME) or meta.is_terminating(secret):
        return
    account = world.get(SERVICE_ACCOUNTS, wanted[NAME], meta.namespace(secret))
    if account is None or (wanted.get(UID) and meta.uid(account) != wanted[UID]):
        yield Delete(secret)


def secrets_of_deleted(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    if old is None or (new is not None and meta.uid(new) == meta.uid(old)):
        return
    for secret in world.all(SECRETS, meta.namespace(old)):
        if meta.annotations(secret).get(NAME) == meta.name(old):
            yield meta.key(secret)


def is_token(old: Object | None, new: Object) -> bool:
    return new.get("type") == TYPE


CONTROLLER = Controller(
    name="serviceaccount-token",
    source="serviceaccount-token-controller",
    primary=SECRETS,
    reconcile=reconcile,
    concerns=is_token,
    watches={SERVICE_ACCOUNTS: secrets_of_deleted},
    workers=1,
)
