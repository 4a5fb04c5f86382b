"""ServiceAccount token Secrets: filled with a token that never expires, and deleted when their account is gone.

Pods and most people use TokenRequest instead; these Secrets are for what lives outside of a cluster and needs a lasting token.
"""

import base64
from collections.abc import Callable, Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import SECRETS, SERVICE_ACCOUNTS
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Delete, Update, World

TYPE = "kubernetes.io/service-account-token"
NAME = "kubernetes.io/service-account.name"
UID = "kubernetes.io/service-account.uid"
IssueToken = Callable[[Object, Object], str]  # (account, secret) -> token


def controller(issue: IssueToken | None, root_ca: str) -> Controller:
    """`issue` signs tokens; without it Secrets are only cleaned up."""

    def reconcile(secret: Object, world: World) -> Iterator[Action]:
        wanted = meta.annotations(secret)
        if secret.get("type") != TYPE or not wanted.get(NAME) or meta.is_terminating(secret):
            return
        account = world.get(SERVICE_ACCOUNTS, wanted[NAME], meta.namespace(secret))
        if account is None or (wanted.get(UID) and meta.uid(account) != wanted[UID]):
            yield Delete(secret)
        elif issue is not None and (filled := _filled(secret, account, issue, root_ca)) != secret:
            yield Update(filled)

    return Controller(
        name="serviceaccount-token",
        source="serviceaccount-token-controller",
        primary=SECRETS,
        reconcile=reconcile,
        concerns=is_token,
        watches={SERVICE_ACCOUNTS: secrets_of},
        workers=1,
    )


def _filled(secret: Object, account: Object, issue: IssueToken, root_ca: str) -> Object:
    data = dict(secret.get("data") or {})
    if not data.get("token"):
        data["token"] = _encoded(issue(account, secret))
    data["namespace"] = _encoded(meta.namespace(secret))
    if root_ca:
        data["ca.crt"] = _encoded(root_ca)
    annotations = {**meta.annotations(secret), UID: meta.uid(account)}
    return {**secret, "data": data, "metadata": {**secret["metadata"], "annotations": annotations}}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secrets_of(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Those of an account that came or went."""
    if old is not None and new is not None and meta.uid(new) == meta.uid(old):
        return
    account = new if new is not None else old
    assert account is not None
    for secret in world.all(SECRETS, meta.namespace(account)):
        if meta.annotations(secret).get(NAME) == meta.name(account):
            yield meta.key(secret)


def is_token(old: Object | None, new: Object) -> bool:
    return new.get("type") == TYPE
