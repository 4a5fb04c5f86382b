"""The mandatory and suggested flow schemas and priority levels: made at the first start, kept up to date at each start.

A stored spec that differs is written over where `flowcontrol/defaults.py` says so. Upstream looks again every minute; here a change
of what a server keeps up to date lasts until the next start.
"""

from collections.abc import Iterator
from datetime import datetime

from pinnace.api import resources as r
from pinnace.api.flowcontrol import defaults
from pinnace.api.meta import Object
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.flowcontrol.dangling import condition_for
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome


def objects(now: datetime) -> Iterator[tuple[GVR, list[Object]]]:
    """Complete with the condition that says that their levels exist."""
    levels = defaults.levels()
    names = {level["metadata"]["name"] for level in levels}
    schemas = defaults.schemas()
    for schema in schemas:
        condition = condition_for(schema, names, format_time(now))
        assert condition is not None  # a new schema has none yet
        schema["status"] = {"conditions": [condition]}
    yield r.PRIORITY_LEVEL_CONFIGURATIONS, levels
    yield r.FLOW_SCHEMAS, schemas


async def maintain(registries: Registries) -> None:
    for gvr, specs in (
        (r.PRIORITY_LEVEL_CONFIGURATIONS, {o["metadata"]["name"]: o["spec"] for o in defaults.levels()}),
        (r.FLOW_SCHEMAS, {o["metadata"]["name"]: o["spec"] for o in defaults.schemas()}),
    ):
        storage = registries.of(gvr).storage
        for name, spec in specs.items():
            stored = storage.cached(name)
            if stored is None or not _differs(stored.obj, name, spec):
                continue

            async def renewed(item: Item, name: str = name, spec: Object = spec) -> Object | Outcome:
                if not _differs(item.obj, name, spec):
                    return Outcome.KEEP
                metadata = item.obj["metadata"]
                metadata = {**metadata, "generation": metadata.get("generation", 0) + 1}
                return {**item.obj, "metadata": metadata, "spec": _kept(item.obj, name, spec)}

            await storage.update(name, "", renewed)


def _differs(stored: Object, name: str, spec: Object) -> bool:
    return defaults.keeps_up_to_date(stored, name) and stored.get("spec") != _kept(stored, name, spec)


def _kept(stored: Object, name: str, spec: Object) -> Object:
    """The shares of the exempt level are the administrator's."""
    own = (stored.get("spec") or {}).get("exempt")
    return {**spec, "exempt": own} if name == defaults.EXEMPT and own and "exempt" in spec else spec
