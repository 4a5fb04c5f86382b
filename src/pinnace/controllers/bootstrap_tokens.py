"""Bootstrap tokens: expired ones are deleted, and `cluster-info` is signed with those that may sign.

A node that joins knows a token and nothing else: it trusts the ConfigMap kube-public/cluster-info because it is signed with it.
Upstream: https://github.com/kubernetes/kubernetes/tree/master/pkg/controller/bootstrap (both are off by default there, and here)
"""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import bootstrap_tokens as tokens
from pinnace.api.meta import Object
from pinnace.api.resources import CONFIG_MAPS, SECRETS
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Delete, RequeueAfter, Update, World

CLUSTER_INFO: Key = ("kube-public", "cluster-info")
KUBECONFIG, SIGNATURE_PREFIX = "kubeconfig", "jws-kubeconfig-"


# -- token-cleaner -------------------------------------------------------------------------------------------------
def clean(secret: Object, world: World) -> Iterator[Action]:
    if not _is_ours(secret):
        return
    left = tokens.seconds_left(secret, world.now)
    if left is None:
        return
    if left <= 0:
        yield Delete(secret)
    else:
        yield RequeueAfter(left)


def _is_ours(secret: Object) -> bool:
    return meta.namespace(secret) == tokens.NAMESPACE and tokens.is_token(secret)


# -- bootstrap-signer ----------------------------------------------------------------------------------------------
def sign(config_map: Object, world: World) -> Iterator[Action]:
    if meta.key(config_map) != CLUSTER_INFO:
        return
    data = config_map.get("data") or {}
    content = data.get(KUBECONFIG)
    if content is None:
        return
    keys = signing_keys(world)
    kept = {name: value for name, value in data.items() if not name.startswith(SIGNATURE_PREFIX)}
    signed = {
        f"{SIGNATURE_PREFIX}{name}": tokens.detached_jws(content, name, key) for name, key in keys.items()
    }
    if data != {**kept, **signed}:
        yield Update({**config_map, "data": {**kept, **signed}})
    waits = [left for secret in _tokens(world) if (left := tokens.seconds_left(secret, world.now) or 0) > 0]
    if waits:
        yield RequeueAfter(min(waits))


def signing_keys(world: World) -> dict[str, str]:
    """Token id -> token secret, of those that may sign now."""
    found = {}
    for secret in _tokens(world):
        identity, key = tokens.field(secret, "token-id"), tokens.field(secret, "token-secret")
        is_named_after_it = meta.name(secret) == f"{tokens.PREFIX}{identity}"
        if is_named_after_it and key and tokens.may(secret, "signing"):
            found[identity] = key
    return found


def _tokens(world: World) -> list[Object]:
    return [
        secret
        for secret in world.all(SECRETS, tokens.NAMESPACE)
        if tokens.is_token(secret)
        and not meta.is_terminating(secret)
        and not tokens.is_expired(secret, world.now)
    ]


def cluster_info(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    if any(secret is not None and _is_ours(secret) for secret in (old, new)):
        yield CLUSTER_INFO


CLEANER = Controller(
    name="token-cleaner",
    source="token-cleaner",
    primary=SECRETS,
    reconcile=clean,
    concerns=lambda old, new: _is_ours(new),
    workers=1,
)
SIGNER = Controller(
    name="bootstrap-signer",
    source="bootstrap-signer",
    primary=CONFIG_MAPS,
    reconcile=sign,
    concerns=lambda old, new: meta.key(new) == CLUSTER_INFO,
    watches={SECRETS: cluster_info},
    workers=1,
)
