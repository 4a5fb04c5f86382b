"""Protobuf beside JSON: one pod encoded and decoded, lists and fan-out to watchers in process; one line each.

    ./dev bench protobuf [--pods 5000] [--watchers 100]

The pods are those of `bench/storage.py`, about 4.5 KB of JSON. "First" is a list of items that nobody asked for yet.
"""

import argparse
import time
import timeit
from collections.abc import Callable
from typing import Any

import orjson
from storage import pod  # beside this file

from pinnace.apimachinery.protobuf import codec
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item


def microseconds(work: Callable[[], Any], number: int = 200) -> float:
    return min(timeit.repeat(work, number=number, repeat=5)) / number * 1e6


def codecs() -> None:
    obj = pod(1)
    raw, message = orjson.dumps(obj), codec.encode_object(obj)
    print(f"one pod: JSON {len(raw)} bytes, protobuf {len(message)} bytes")
    for title, work in (
        ("encode JSON", lambda: orjson.dumps(obj)),
        ("decode JSON", lambda: orjson.loads(raw)),
        ("encode protobuf", lambda: codec.encode_message(obj)),
        ("decode protobuf", lambda: codec.decode_object(message)),
    ):
        print(f"{title:20} {microseconds(work):8.1f} us")


def item(number: int) -> Item:
    obj = pod(number)
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    raw = orjson.dumps(obj)
    return Item(f"/{namespace}/{name}", raw, number, namespace=namespace, name=name, labels={}, fields={})


def timed(title: str, work: Callable[[], int]) -> None:
    begun = time.perf_counter()
    size = work()
    print(f"{title:20} {(time.perf_counter() - begun) * 1e3:8.1f} ms {size / 1e6:8.1f} MB")


def measure(pods: int, watchers: int) -> None:
    codecs()
    items = [item(number) for number in range(pods)]

    def listed() -> int:
        return len(
            codec.encode_list("v1", "PodList", {"resourceVersion": "1"}, [one.protobuf for one in items])
        )

    timed(f"list of {pods}, JSON", lambda: len(b",".join([one.raw for one in items])))
    timed("protobuf, first", listed)
    timed("protobuf, again", listed)
    events = [StorageEvent("ADDED", item(number)) for number in range(1000)]
    timed(
        f"1000 events to {watchers}",
        lambda: sum(
            len(codec.frame(event.message("v1", "Pod"))) for _ in range(watchers) for event in events
        ),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--watchers", type=int, default=100)
    arguments = parser.parse_args()
    measure(arguments.pods, arguments.watchers)
