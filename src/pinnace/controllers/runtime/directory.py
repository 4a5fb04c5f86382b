"""Which resources the server has, beyond those that controllers know by name: the built-in table plus discovery of further groups."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from pinnace.api.resources import TABLE
from pinnace.apimachinery.errors import StatusError
from pinnace.apimachinery.gvk import GVR, parse_api_version
from pinnace.client.interface import Client, Object

log = logging.getLogger(__name__)

NEEDED = frozenset(("list", "delete"))


@dataclass(frozen=True, slots=True)
class Served:
    gvr: GVR
    kind: str
    namespaced: bool
    verbs: frozenset[str]


BUILT_IN = tuple(
    Served(row.gvr, row.kind, row.namespaced, frozenset(row.verbs))
    for row in TABLE
    if row.is_stored and row.verbs and set(row.verbs) >= NEEDED and row.view_of is None
)
_KNOWN_GROUPS = frozenset(row.gvr.group for row in TABLE)


class Directory:
    """Stored resources that can be listed and deleted. `refresh` asks the server about groups outside the built-in table."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._found: dict[str, tuple[Served, ...]] = {}  # group/version -> resources
        self.failed: dict[str, str] = {}  # group/version -> why it could not be read

    def __iter__(self) -> Iterator[Served]:
        yield from BUILT_IN
        for resources in self._found.values():
            yield from resources

    def find(self, api_version: str, kind: str) -> Served | None:
        """The resource of an owner reference; the version may be another one of the same group."""
        group, _ = parse_api_version(api_version)
        return next((s for s in self if s.kind == kind and s.gvr.group == group), None)

    async def refresh(self) -> None:
        try:
            groups = (await self._client.raw("GET", "/apis")).get("groups") or []
        except (StatusError, OSError, TimeoutError) as error:
            log.debug("discovery failed: %s", error)
            return
        foreign = [group for group in groups if group["name"] not in _KNOWN_GROUPS]
        wanted = [version["groupVersion"] for group in foreign for version in _by_preference(group)]
        self.failed = {}
        answers = await asyncio.gather(*(self._resources(name) for name in wanted))
        self._found = _each_once(dict(zip(wanted, answers, strict=True)))

    async def _resources(self, group_version: str) -> tuple[Served, ...]:
        try:
            answer = await self._client.raw("GET", f"/apis/{group_version}")
        except (StatusError, OSError, TimeoutError) as error:
            self.failed[group_version] = str(error)
            return self._found.get(group_version, ())
        group, version = parse_api_version(group_version)
        return tuple(
            Served(
                GVR(group, version, entry["name"]),
                entry["kind"],
                entry["namespaced"],
                frozenset(entry["verbs"]),
            )
            for entry in answer.get("resources") or ()
            if "/" not in entry["name"] and set(entry["verbs"]) >= NEEDED
        )


def _by_preference(group: Object) -> list[Object]:
    """All versions of a group: a resource may be served in others than the preferred one only."""
    preferred = group["preferredVersion"]
    return [preferred, *(version for version in group["versions"] if version != preferred)]


def _each_once(found: dict[str, tuple[Served, ...]]) -> dict[str, tuple[Served, ...]]:
    """A resource that several versions serve counts in the first."""
    seen: set[str] = set()
    once = {}
    for name, resources in found.items():
        once[name] = tuple(served for served in resources if served.gvr.qualified not in seen)
        seen.update(served.gvr.qualified for served in resources)
    return once
