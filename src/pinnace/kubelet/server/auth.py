"""Who asks, and may they: client certificates and TokenReview, then SubjectAccessReview on this node.

Answers of the API server are kept as long as upstream's kubelet keeps them: two minutes for tokens, five minutes for an
allowance, thirty seconds for a refusal. Anonymous requests are refused.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiohttp import web

from pinnace.api.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from pinnace.apimachinery.errors import StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.kubelet.server.attributes import subresources_of, verb_of
from pinnace.kubelet.server.routing import Refusal

TOKEN_SECONDS, ALLOWED_SECONDS, REFUSED_SECONDS = 120.0, 300.0, 30.0
REMEMBERED = 1024
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class User:
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()


class _Remembered(Generic[V]):
    """Values that are good for a while; the oldest make room."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[Hashable, tuple[V, float]] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        value, until = self._entries.get(key, (None, 0.0))
        return value if until > self._clock.monotonic() else None

    def put(self, key: Hashable, value: V, seconds: float) -> None:
        self._entries.pop(key, None)
        self._entries[key] = value, self._clock.monotonic() + seconds
        if len(self._entries) > REMEMBERED:
            self._entries.popitem(last=False)


class Auth:
    def __init__(self, client: Client, clock: Clock, node_name: str) -> None:
        self._client, self._node_name = client, node_name
        self._tokens: _Remembered[User] = _Remembered(clock)
        self._decisions: _Remembered[bool] = _Remembered(clock)

    async def check(self, request: web.BaseRequest) -> User:
        """The user, if the request may go on; else Refusal 401 or 403."""
        user = _certificate_user(request) or await self._token_user(request)
        if user is None:
            raise Refusal(401, "Unauthorized")
        verb, subresources = verb_of(request.method), subresources_of(request.path)
        for subresource in subresources:
            if await self._may(user, verb, subresource):
                return user
        asked = f"user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{' '.join(subresources)}]"
        raise Refusal(403, f"Forbidden ({asked})")

    async def _token_user(self, request: web.BaseRequest) -> User | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        key = hashlib.sha256(token.encode()).digest()
        if (known := self._tokens.get(key)) is not None:
            return known
        review = await self._ask(TOKEN_REVIEWS, "TokenReview", {"token": token.strip()})
        status = review.get("status") or {}
        if not status.get("authenticated"):
            return None
        found = status.get("user") or {}
        user = User(found.get("username", ""), found.get("uid", ""), tuple(found.get("groups") or ()))
        self._tokens.put(key, user, TOKEN_SECONDS)
        return user

    async def _may(self, user: User, verb: str, subresource: str) -> bool:
        key = (user, verb, subresource)
        if (known := self._decisions.get(key)) is not None:
            return known
        attributes = {"verb": verb, "version": "v1", "resource": "nodes", "subresource": subresource}
        spec = {
            "resourceAttributes": {**attributes, "name": self._node_name},
            "user": user.name,
            "groups": list(user.groups),
            **({"uid": user.uid} if user.uid else {}),
        }
        review = await self._ask(SUBJECT_ACCESS_REVIEWS, "SubjectAccessReview", spec)
        allowed = bool((review.get("status") or {}).get("allowed"))
        self._decisions.put(key, allowed, ALLOWED_SECONDS if allowed else REFUSED_SECONDS)
        return allowed

    async def _ask(self, gvr: GVR, kind: str, spec: Mapping[str, object]) -> Object:
        body = {"apiVersion": gvr.api_version, "kind": kind, "metadata": {}, "spec": dict(spec)}
        try:
            return await self._client.create(gvr, body)
        except (StatusError, OSError) as error:
            raise Refusal(500, f"Authorization error: {error}") from error


def _certificate_user(request: web.BaseRequest) -> User | None:
    """From the certificate that TLS has verified: CN is the name, every O a group."""
    peer = request.transport.get_extra_info("peercert") if request.transport is not None else None
    if not peer:
        return None
    pairs = [pair for part in peer.get("subject", ()) for pair in part]
    names = [value for key, value in pairs if key == "commonName"]
    groups = [value for key, value in pairs if key == "organizationName"]
    return User(names[0], groups=(*groups, "system:authenticated")) if names else None
