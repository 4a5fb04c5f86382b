"""Object storage in process: lists of many pods, with and without selectors, and fan-out to watchers; one JSON line.

PYTHONPATH=src python bench/storage.py --pods 20000 --watchers 100 500
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable

import uvloop

from pinnace.api import meta
from pinnace.api.resources import BY_GVR, PODS
from pinnace.apimachinery import selectors
from pinnace.apiserver.storage.item import Object
from pinnace.apiserver.storage.object_storage import ObjectStorage
from pinnace.apiserver.storage.options import ListOptions, ListResult, WatchOptions
from pinnace.apiserver.storage.scope import Scope
from pinnace.apiserver.storage.storages import Storages
from pinnace.apiserver.storage.watchers import ObjectWatch
from pinnace.component.clock import RealClock
from pinnace.store.memory import MemoryBackend

EVENTS = 1000
COMMIT = 8  # creations that become visible together


def pod(number: int) -> Object:
    """About 4.5 KB; each value of the label `app` is on 1 % of the pods."""
    env = [{"name": "A" * 20, "value": "B" * 60} for _ in range(10)]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"pod-{number:07}",
            "namespace": f"ns-{number % 20}",
            "labels": {"app": f"app-{number % 100}", "tier": "bench"},
        },
        "spec": {
            "nodeName": f"node-{number % 1000}",
            "containers": [{"name": f"c{index}", "image": "bench", "env": env} for index in range(4)],
        },
        "status": {"phase": "Running"},
    }


def field_labels(obj: Object) -> dict[str, str]:
    names = {"metadata.name": meta.name(obj), "metadata.namespace": meta.namespace(obj)}
    return {**names, "spec.nodeName": obj["spec"]["nodeName"], "status.phase": obj["status"]["phase"]}


LISTS = {
    "all": ListOptions(),
    "one namespace": ListOptions(Scope("ns-3")),
    "label, 1 %": ListOptions(Scope(labels=selectors.parse("app=app-7"))),
    "label absent": ListOptions(Scope(labels=selectors.parse("app!=app-7,!x"))),
    "field, one node": ListOptions(Scope(fields=selectors.parse_fields("spec.nodeName=node-5"))),
    "page of 500": ListOptions(limit=500),
}


def drain(result: ListResult) -> int:
    return sum(len(piece) for piece in result.chunks())


async def time_list(storage: ObjectStorage, options: ListOptions, use: Callable[[ListResult], int]) -> float:
    times = []
    for _ in range(7):
        begun = time.perf_counter()
        use(await storage.list(options))
        times.append(time.perf_counter() - begun)
    return round(statistics.median(times) * 1e3, 2)


async def read(watch: ObjectWatch) -> None:
    seen = 0
    async for batch in watch.batches():
        b"".join([event.line for event in batch])
        seen += len(batch)
        if seen == EVENTS:
            watch.close()


async def fan_out(storage: ObjectStorage, watchers: int) -> int:
    """Events delivered and joined to writes per second, the creations included."""
    here = WatchOptions(resource_version=str(storage.cache.revision))
    readers = [asyncio.ensure_future(read(await storage.watch(here))) for _ in range(watchers)]
    begun = time.perf_counter()
    for number in range(EVENTS):
        await storage.create(pod(watchers * 1_000_000 + number))
        if number % COMMIT == 0:
            await asyncio.sleep(0)
    await asyncio.gather(*readers)
    return round(watchers * EVENTS / (time.perf_counter() - begun))


async def main(arguments: argparse.Namespace) -> None:
    storage = Storages(MemoryBackend(), RealClock()).of(BY_GVR[PODS], field_labels)
    for number in range(arguments.pods):
        await storage.create(pod(number))
    print(json.dumps({
        "bench": "storage", "pods": arguments.pods,
        "pod_bytes": len((await storage.list(ListOptions(limit=1))).items[0].raw),
        "select_ms": {name: await time_list(storage, options, lambda result: 0) for name, options in LISTS.items()},
        "select_and_join_ms": {name: await time_list(storage, options, drain) for name, options in LISTS.items()},
        "events_per_second": {str(count): await fan_out(storage, count) for count in arguments.watchers},
    }))  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=20_000)
    parser.add_argument("--watchers", type=int, nargs="+", default=[100, 500])
    uvloop.run(main(parser.parse_args()))
