"""`--tracing-config-file` and `--trace-buffer-bytes`, of a server and of an agent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pinnace.cluster.errors import UsageError
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer

TRACE_BUFFER = "memory that recorded spans may take (default 4194304); 0: none are recorded"


def check_tracing_configuration(path: Path) -> None:
    """Raises UsageError for a file that cannot be used, and where the packages for OTLP are missing."""
    from pinnace.apiserver.config_files import ConfigFileError
    from pinnace.apiserver.tracing_config import load_tracing_configuration

    try:
        load_tracing_configuration(path)
    except ConfigFileError as error:
        raise UsageError(f"--tracing-config-file {error}") from None


def check_buffer(most_bytes: int, file: str) -> None:
    """Raises UsageError."""
    if most_bytes < 0:
        raise UsageError(f"--trace-buffer-bytes {most_bytes}: must not be negative")
    if not most_bytes and file:
        raise UsageError("--tracing-config-file needs spans: --trace-buffer-bytes must not be 0")


@asynccontextmanager
async def sending_spans(tracer: Tracer | None, clock: Clock, file: str, node: str) -> AsyncIterator[None]:
    """Meanwhile what an agent records goes to the collector that `file` names, under kubelet's name; "": nothing is sent."""
    if tracer is None or not file:
        yield
        return
    from pinnace.apiserver.tracing_config import MILLION, load_tracing_configuration
    from pinnace.component.span_export import SpanExport

    told = load_tracing_configuration(Path(file))
    rate = told.sampling_rate_per_million / MILLION
    tracer.exporter = export = SpanExport(tracer, clock, told.endpoint, rate, node, service="kubelet")
    sending = asyncio.create_task(export.run(), name="spans to the collector")
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await export.close()
