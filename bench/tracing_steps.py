"""What recording costs step by step: microseconds of CPU for one write, pass, request or span, each timed alone, the least of several rounds.

    ./dev bench tracing_steps [--rounds 9]

`bench/tracing.py` measures whole pods, and needs a quiet machine: with other work on the cores two runs without recording differ by several percent.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from types import SimpleNamespace
from typing import Any

from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.tracing import RequestSpan, RequestTracer, noted
from pinnace.component.clock import RealClock
from pinnace.component.tracing import CURRENT, About
from pinnace.controllers.runtime.tracing import PassTrace

PODS = GVR("", "v1", "pods")
COUNT = 20_000
Steps = dict[str, Callable[[RequestTracer], Awaitable[None]]]


def _items() -> list[Any]:
    held = {"metadata": {"uid": "0" * 36}}
    return [SimpleNamespace(name=f"p{number}", revision=number + 1, held=held) for number in range(COUNT)]


ITEMS = _items()


async def _same(item: Any) -> Any:
    return item


async def plain(tracer: RequestTracer) -> None:
    for item in ITEMS:
        await _same(item)


async def write(tracer: RequestTracer) -> None:
    for item in ITEMS:
        tracer.examines(tracer.now())
        await noted(tracer, "create", PODS, "shop", item.name, "", "u", "a", _same(item), item.revision - 1)


async def request(tracer: RequestTracer) -> None:
    """As the filter and the storage do it for what comes over HTTPS."""
    for item in ITEMS:
        span = RequestSpan(tracer, "create", PODS, "shop", "", "", "", "a", None, tracer.now())
        token = CURRENT.set(span)
        await _same(item)
        span.wrote(PODS, "shop", item.name, item.held["metadata"]["uid"], item.revision, span.begun)
        CURRENT.reset(token)
        span.end()


async def controller_pass(tracer: RequestTracer) -> None:
    trace: PassTrace[tuple[str, str]] = PassTrace(tracer, "replicaset", lambda key: About("pods", *key))
    for item in ITEMS:
        key, obj = ("shop", item.name), {"metadata": {"resourceVersion": str(item.revision), "uid": "u"}}
        trace.saw(key, obj)
        await trace.of_pass(key, obj, _same(item))


async def export(tracer: RequestTracer) -> None:
    """Made ready for the collector, without sending; another thread does this."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource

    from pinnace.component.span_export import readable

    spans, offset, resource = list(tracer.recorded)[:512], tracer.offset(), Resource({})
    for _ in range(COUNT // 512):
        encode_spans([readable(span, offset, resource) for span in spans]).SerializeToString()


STEPS: Steps = {"plain": plain, "write": write, "request": request, "pass": controller_pass, "export": export}


async def measured(rounds: int, names: Iterable[str]) -> dict[str, float]:
    least: dict[str, float] = {}
    for _ in range(rounds):
        for name in names:
            tracer = RequestTracer(RealClock())
            if name == "export":
                await request(tracer)
            begun = time.process_time()
            await STEPS[name](tracer)
            taken = (time.process_time() - begun) / COUNT * 1e6
            least[name] = min(taken, least.get(name, taken))
    return {name: round(taken, 2) for name, taken in least.items()}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--only", default=",".join(STEPS))
    given = arguments.parse_args()
    print(json.dumps(asyncio.run(measured(given.rounds, given.only.split(",")))))


if __name__ == "__main__":
    main()
