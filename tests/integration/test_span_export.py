"""Spans sent by OTLP: a collector of the test's own reads what the API server sends."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from pinnace.api import resources as r
from pinnace.cluster.tracing import sending_spans
from pinnace.component.clock import RealClock
from pinnace.component.tracing import About, Tracer
from pinnace.testing.api_server import ApiServerInProcess

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.services: set[str] = set()
        self.spans: list[tuple[str, Any]] = []  # with the part
        self.refuses = False

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        if self.refuses:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        for sent in request.resource_spans:
            self.services |= {
                a.value.string_value for a in sent.resource.attributes if a.key == "service.name"
            }
            self.spans += [(scope.scope.name, span) for scope in sent.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
async def collector(tmp_path: Path) -> AsyncIterator[Collector]:
    made, server = Collector(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(made, server)
    server.add_insecure_port(f"unix://{tmp_path}/otlp.sock")
    await server.start()
    yield made
    await server.stop(None)


def configuration(directory: Path, rate: int) -> Path:
    path = directory / "tracing.yaml"
    path.write_text(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n"
        f"endpoint: unix://{directory}/otlp.sock\nsamplingRatePerMillion: {rate}\n"
    )
    return path


def config_map(name: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}}


def attributes(span: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


async def test_requests_arrive_with_their_facts(tmp_path: Path, collector: Collector) -> None:
    config = configuration(tmp_path, 1_000_000)
    async with ApiServerInProcess(tmp_path / "server", tracing_config_file=config) as api:
        made = await api.rest_client().create(r.CONFIG_MAPS, config_map("one"), "default")
        page = await api.local_client().raw(
            "GET", "/debug/pinnace/trace", query={"resource": "configmaps", "namespace": "default", "name": "one"}
        )  # fmt: skip
    found = [(part, span) for part, span in collector.spans if attributes(span).get("object.name") == "one"]
    assert [(part, span.name) for part, span in found] == [("apiserver", "create")]
    span, shown = found[0][1], page["spans"][0]
    assert (span.trace_id.hex(), span.span_id.hex()) == (shown["traceID"], shown["spanID"])
    assert abs(span.start_time_unix_nano / 1e9 - shown["start"]) < 1
    assert span.end_time_unix_nano > span.start_time_unix_nano
    told = attributes(span)
    assert told["object.resource"] == "configmaps"
    assert told["revision"] == made["metadata"]["resourceVersion"]
    assert told["milliseconds.store"] > 0
    assert collector.services == {"apiserver"}


async def test_without_a_rate_only_traces_that_a_client_samples_are_sent(
    tmp_path: Path, collector: Collector
) -> None:
    async with ApiServerInProcess(tmp_path / "server", tracing_config_file=configuration(tmp_path, 0)) as api:
        url = f"{api.url}/api/v1/namespaces/default/configmaps"
        pair = api.authority.client("jane", ("system:masters",))
        tls = api.tls(pair)
        async with aiohttp.ClientSession() as session:
            for name, flag in (("plain", ""), ("unsampled", "00"), ("sampled", "01")):
                carried = (
                    {"traceparent": f"00-{TRACE[:-1]}{len(name) % 10}-00f067aa0ba902b7-{flag}"}
                    if flag
                    else {}
                )
                async with session.post(url, json=config_map(name), headers=carried, ssl=tls) as answer:
                    assert answer.status == 201
    assert [attributes(span)["object.name"] for _, span in collector.spans] == ["sampled"]
    assert collector.spans[0][1].parent_span_id.hex() == "00f067aa0ba902b7"


async def test_what_the_collector_does_not_take_is_counted(tmp_path: Path, collector: Collector) -> None:
    collector.refuses = True
    config = configuration(tmp_path, 1_000_000)
    async with ApiServerInProcess(tmp_path / "server", tracing_config_file=config) as api:
        await api.local_client().create(r.CONFIG_MAPS, config_map("one"), "default")
        export = api.server.services.span_export
        assert export is not None
        pair = api.authority.client("jane", ("system:masters",))
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{api.url}/metrics", ssl=api.tls(pair)) as answer,
        ):
            text = await answer.text()
        assert 'pinnace_exported_spans_total{result="dropped"}' in text
    assert export.dropped > 0
    assert export.sent == 0
    assert not collector.spans


async def test_an_agent_sends_what_its_node_did(tmp_path: Path, collector: Collector) -> None:
    clock = RealClock()
    tracer = Tracer(clock)
    about = About("pods", "default", "web")
    async with sending_spans(tracer, clock, str(configuration(tmp_path, 1_000_000)), "n1"):
        span = tracer.begin("kubelet", "run pod", about)
        tracer.record(span)
        span.end()
    assert [(part, span.name) for part, span in collector.spans] == [("kubelet", "run pod")]
    assert collector.services == {"kubelet"}


async def test_an_agent_without_a_file_sends_nothing(tmp_path: Path) -> None:
    tracer = Tracer(RealClock())
    async with sending_spans(tracer, RealClock(), "", "n1"):
        assert tracer.exporter is None
