"""Config maps, secrets, claims and service account tokens that pods refer to: fetched when needed, watched while needed.

A node may only get claims and volumes, not watch them; what is bound stays bound while a pod uses it, so it is asked for once.
A pod that refers to an object is woken when that object changes, so mounted files and waiting containers follow at once.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import (
    CONFIG_MAPS,
    CSI_DRIVERS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.times import parse_time
from pinnace.client.informer import Informer
from pinnace.client.interface import Client
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)

Key = tuple[GVR, str, str]


class _Watched:
    """One object under watch, and the pods that want it."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self.users: set[str] = set()
        self.task = asyncio.create_task(informer.run())


class ReferencedObjects:
    """`on_change(uid)` wakes a pod."""

    def __init__(self, client: Client, clock: Clock, on_change: Callable[[str], None]) -> None:
        self._client, self._clock, self._on_change = client, clock, on_change
        self._watched: dict[Key, _Watched] = {}
        self._tokens: dict[tuple[str, str, int], tuple[str, str, datetime]] = {}
        self._bound: dict[tuple[str, GVR, str], Object] = {}  # by uid of the pod

    def for_pod(self, pod: Object) -> "PodObjects":
        return PodObjects(self, pod)

    async def get(self, gvr: GVR, namespace: str, name: str, uid: str) -> Object | None:
        """None when there is no such object; other answers of the API are raised."""
        key = (gvr, namespace, name)
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = self._watch(key)
        watched.users.add(uid)
        if watched.informer.has_synced:
            return watched.informer.lister.get(name, namespace)
        try:
            return await self._client.get(gvr, name, namespace)
        except NotFound:
            return None

    def _watch(self, key: Key) -> _Watched:
        gvr, namespace, name = key
        informer = Informer(
            self._client, self._clock, gvr, namespace=namespace, field_selector=f"metadata.name={name}"
        )
        watched = _Watched(informer)

        def notify(old: Object | None, new: Object | None) -> None:
            for uid in tuple(watched.users):
                self._on_change(uid)

        informer.add_handler(notify)
        return watched

    async def get_bound(self, gvr: GVR, namespace: str, name: str, uid: str) -> Object | None:
        """A claim or volume, asked for until it is bound."""
        key = (uid, gvr, name)
        if key in self._bound:
            return self._bound[key]
        try:
            found = await self._client.get(gvr, name, namespace or None)
        except NotFound:
            return None
        if (found.get("status") or {}).get("phase") == "Bound":
            self._bound[key] = found
        return found

    def bound(self, pod: Object, claim: str) -> tuple[Object, Object] | None:
        """The claim and its volume, if both were bound when the pod was started."""
        found = self._bound.get((meta.uid(pod), PERSISTENT_VOLUME_CLAIMS, claim))
        if found is None:
            return None
        volume = self._bound.get((meta.uid(pod), PERSISTENT_VOLUMES, found["spec"]["volumeName"]))
        return (found, volume) if volume is not None else None

    def release(self, uid: str) -> None:
        """The pod is gone: nothing is watched for it any more."""
        for key in list(self._watched):
            watched = self._watched[key]
            watched.users.discard(uid)
            if not watched.users:
                watched.task.cancel()
                del self._watched[key]
        self._tokens = {key: entry for key, entry in self._tokens.items() if key[0] != uid}
        self._bound = {key: entry for key, entry in self._bound.items() if key[0] != uid}

    async def token(self, pod: Object, audience: str, seconds: int) -> tuple[str, str]:
        """A token bound to this pod, and when it expires; a new one when 80 % of its life (or 24 hours) have passed."""
        key = (meta.uid(pod), audience, seconds)
        held = self._tokens.get(key)
        if held is not None and self._clock.now() < held[2]:
            return held[:2]
        spec: dict[str, Any] = {
            "expirationSeconds": seconds,
            "boundObjectRef": {
                "apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod),
            },
        }  # fmt: skip
        if audience:
            spec["audiences"] = [audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        account = pod["spec"].get("serviceAccountName") or "default"
        answer = await self._client.create(
            SERVICE_ACCOUNTS, body, meta.namespace(pod), name=account, subresource="token"
        )
        now = self._clock.now()
        token, expires = answer["status"]["token"], answer["status"]["expirationTimestamp"]
        life = parse_time(expires) - now
        self._tokens[key] = token, expires, now + min(life * 0.8, timedelta(hours=24))
        return token, expires

    def close(self) -> None:
        for watched in self._watched.values():
            watched.task.cancel()
        self._watched.clear()


class PodObjects:
    """The same, seen from one pod. Implements `volumes.plugin.ObjectSource`."""

    def __init__(self, source: ReferencedObjects, pod: Object) -> None:
        self._source, self._pod = source, pod

    async def config_map(self, name: str) -> Object | None:
        return await self._get(CONFIG_MAPS, name)

    async def secret(self, name: str) -> Object | None:
        return await self._get(SECRETS, name)

    async def claim(self, name: str) -> Object | None:
        space = meta.namespace(self._pod)
        return await self._source.get_bound(PERSISTENT_VOLUME_CLAIMS, space, name, meta.uid(self._pod))

    async def persistent_volume(self, name: str) -> Object | None:
        return await self._source.get_bound(PERSISTENT_VOLUMES, "", name, meta.uid(self._pod))

    async def token(self, audience: str, seconds: int) -> str:
        return (await self._source.token(self._pod, audience, seconds))[0]

    async def token_status(self, audience: str, seconds: int) -> tuple[str, str]:
        return await self._source.token(self._pod, audience, seconds)

    async def csi_driver(self, name: str) -> Object | None:
        return await self._source.get(CSI_DRIVERS, "", name, meta.uid(self._pod))

    async def _get(self, gvr: GVR, name: str) -> Object | None:
        return await self._source.get(gvr, meta.namespace(self._pod), name, meta.uid(self._pod))

    async def environment_objects(self, container: dict[str, Any]) -> dict[tuple[str, str], Object | None]:
        """Every config map and secret that the container's environment names, by (kind, name)."""
        found: dict[tuple[str, str], Object | None] = {}
        sources = list(container.get("envFrom") or ())
        sources += [one["valueFrom"] for one in container.get("env") or () if one.get("valueFrom")]
        for source in sources:
            for field in ("configMapRef", "configMapKeyRef"):
                if field in source:
                    name = source[field]["name"]
                    found["ConfigMap", name] = await self.config_map(name)
            for field in ("secretRef", "secretKeyRef"):
                if field in source:
                    name = source[field]["name"]
                    found["Secret", name] = await self.secret(name)
        return found

    async def pull_secrets(self) -> tuple[list[Object], list[str]]:
        """The pod's image pull secrets, and the names of those that are not to be had: the others are tried without them."""
        names = [one["name"] for one in self._pod["spec"].get("imagePullSecrets") or () if one.get("name")]
        found = {}
        for name in dict.fromkeys(names):
            try:
                found[name] = await self.secret(name)
            except (StatusError, ConnectionError, TimeoutError) as error:
                log.warning("pull secret %s of pod %s: %s", name, meta.key_text(self._pod), error)
                found[name] = None
        return [one for one in found.values() if one is not None], [
            n for n, one in found.items() if one is None
        ]
