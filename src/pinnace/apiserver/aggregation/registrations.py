"""The APIServices: those that this server keeps for what it serves itself, and those that name another server.

Facts: https://github.com/kubernetes/kubernetes/blob/master/pkg/controlplane/apiserver/aggregator.go
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pinnace.api import resources as r
from pinnace.api.apiregistration.apiservices import LOCAL, is_available, is_local
from pinnace.api.resources import Resource
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
OWN_GROUP = "apiregistration.k8s.io"  # served by the aggregator itself: it has no APIService
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
CUSTOM_PRIORITY = (1000, 100)
# group -> groupPriorityMinimum, versionPriority
_PRIORITIES: dict[str, tuple[int, int]] = {
    "": (18000, 1),
    "apps": (17800, 15),
    "events.k8s.io": (17750, 15),
    "authentication.k8s.io": (17700, 15),
    "authorization.k8s.io": (17600, 15),
    "autoscaling": (17500, 30),
    "batch": (17400, 15),
    "certificates.k8s.io": (17300, 15),
    "networking.k8s.io": (17200, 15),
    "policy": (17100, 15),
    "rbac.authorization.k8s.io": (17000, 15),
    "storage.k8s.io": (16800, 15),
    "apiextensions.k8s.io": (16700, 15),
    "admissionregistration.k8s.io": (16700, 15),
    "scheduling.k8s.io": (16600, 15),
    "coordination.k8s.io": (16500, 15),
    "node.k8s.io": (16300, 15),
    "discovery.k8s.io": (16200, 15),
    "resource.k8s.io": (16200, 15),
    "flowcontrol.apiserver.k8s.io": (16100, 21),
    "metrics.k8s.io": (100, 100),  # as metrics-server registers itself
}
_OLDER_VERSIONS = {("autoscaling", "v1"): 15}


def local_services(rows: Iterable[Resource], now: str) -> Iterator[Object]:
    """One APIService for each group and version among the rows, available from the start."""
    built_in = {(row.gvr.group, row.gvr.version) for row in r.TABLE}
    served = dict.fromkeys((row.gvr.group, row.gvr.version) for row in rows)
    for group, version in served:
        if group != OWN_GROUP:
            is_custom = (group, version) not in built_in
            yield local_service(group, version, now, is_custom=is_custom)


def local_service(group: str, version: str, now: str, *, is_custom: bool) -> Object:
    of_group, of_version = CUSTOM_PRIORITY if is_custom else _PRIORITIES.get(group, (16000, 15))
    of_version = _OLDER_VERSIONS.get((group, version), of_version)
    labels = {MANAGED: "true" if is_custom else "onstart"}
    spec: Object = {"version": version, "groupPriorityMinimum": of_group, "versionPriority": of_version}
    if group:
        spec["group"] = group
    return {
        "kind": "APIService",
        "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": f"{version}.{group}", "labels": labels},
        "spec": spec,
        "status": {"conditions": [{**LOCAL, "lastTransitionTime": now}]},
    }


@dataclass(frozen=True)
class Registered:
    """One APIService, parsed."""

    name: str
    group: str
    version: str
    spec: Object
    is_local: bool
    is_available: bool
    managed: str = ""  # "onstart" or "true" for those that this server keeps

    @property
    def service(self) -> tuple[str, str, int]:
        """Namespace, name and port."""
        service = self.spec["service"]
        return service["namespace"], service["name"], service.get("port") or 443

    @property
    def path(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


class Registrations:
    """What the watch cache holds, parsed again only when it has changed."""

    def __init__(self, registries: Registries) -> None:
        self._cache = registries.of(r.API_SERVICES).storage.cache
        self._seen = -1
        self._all: dict[tuple[str, str], Registered] = {}
        self._remote: dict[tuple[str, str], Registered] = {}

    async def load(self) -> None:
        await self._cache.load()

    @property
    def version(self) -> int:
        """Of the state: changes with every write of an APIService."""
        return self._cache.changed_at

    def all(self) -> dict[tuple[str, str], Registered]:
        self._refresh()
        return self._all

    def remote(self) -> dict[tuple[str, str], Registered]:
        """Those that another server answers for; mostly none."""
        if self._cache.changed_at != self._seen:
            self._refresh()
        return self._remote

    def _refresh(self) -> None:
        if self._cache.changed_at == self._seen:
            return
        self._seen = self._cache.changed_at
        found = (registered(item.obj) for item in self._cache.contents)
        self._all = {(one.group, one.version): one for one in found}
        self._remote = {key: one for key, one in self._all.items() if not one.is_local}


def registered(obj: Object) -> Registered:
    spec = obj.get("spec") or {}
    return Registered(
        obj["metadata"]["name"], spec.get("group") or "", spec.get("version") or "", spec, is_local(obj), is_available(obj),
        (obj["metadata"].get("labels") or {}).get(MANAGED, ""),
    )  # fmt: skip


def is_custom(obj: Object) -> bool:
    return bool(obj["metadata"]["labels"][MANAGED] == "true")


def stamp(registries: Registries) -> str:
    return format_time(registries.clock.now())
