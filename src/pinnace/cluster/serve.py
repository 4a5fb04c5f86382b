"""One server process: take the lock, check the machine, run the cluster until told to stop."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from typing import Any

from pinnace.cluster import preflight
from pinnace.cluster.cluster import Cluster
from pinnace.cluster.config import ClusterConfig, UsageError, remember
from pinnace.cluster.decide import settle
from pinnace.cluster.state import Progress, RunState
from pinnace.component.clock import RealClock

log = logging.getLogger("pinnace")
LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def serve(config: ClusterConfig) -> int:
    """Run until SIGTERM or SIGINT; containers go on running. The exit code is 1 when the start failed."""
    os.environ.setdefault(
        "GRPC_ENABLE_FORK_SUPPORT", "0"
    )  # nothing here forks without exec: spares gRPC's handlers
    level = LEVELS[min(config.verbosity, len(LEVELS) - 1)]
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname).1s %(name)s: %(message)s", stream=sys.stderr
    )
    state = RunState(config.directory)
    try:
        if not state.acquire():
            sys.stderr.write(
                f"error: cluster {config.name!r} is already running: `pinnace status` shows it\n"
            )
            return 1
    except OSError as error:
        sys.stderr.write(
            f"error: {config.directory} cannot be used ({error.strerror}): choose another place with --data-dir DIR\n"
        )
        return 1
    progress = Progress(state.progress_file)
    try:
        findings = preflight.run(config)
        if findings.fatal:
            return _refuse(progress, findings.fatal)
        settle(config)
        check_controllers(config)
    except UsageError as error:
        return _refuse(progress, [str(error)])
    _raise_open_files()
    remember(config)
    for warning in findings.warnings:
        progress.note(warning)
    try:
        _run_loop(_run(config, state, progress, findings.warnings))
    except Exception as error:
        log.exception("the cluster stopped")
        return _refuse(progress, [str(cause) or type(cause).__name__ for cause in causes(error)])
    return 0


def check_controllers(config: ClusterConfig) -> None:
    """Raises UsageError for a name in `--controllers` that no controller has."""
    if config.controllers == "*":
        return  # the usual case need not import every controller before the API server is up
    from pinnace.controllers.catalog import CATALOG, UnknownController, select

    try:
        select(config.controllers.split(","), list(CATALOG))
    except UnknownController as error:
        raise UsageError(f"--controllers {config.controllers}: {error}") from None


def causes(error: BaseException) -> Iterator[BaseException]:
    """What really failed: the members of exception groups, each once."""
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from causes(member)
    else:
        yield error


def _refuse(progress: Progress, reasons: list[str]) -> int:
    text = "\nerror: ".join(reasons)
    progress.failed(text)
    sys.stderr.write(f"error: {text}\n")
    return 1


def _raise_open_files() -> None:
    """As many open files as the hard limit allows: watches and container logs are files."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    # The store's writer thread and the loop take turns in half a millisecond: p99 of durable writes 36 -> 23 ms.
    sys.setswitchinterval(0.0005)
    gc.freeze()  # what was imported lives for ever: do not walk it at every collection
    uvloop.run(main)


async def _run(config: ClusterConfig, state: RunState, progress: Progress, notes: list[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    cluster = Cluster(config, RealClock(), state=state, progress=progress, notes=notes)
    running = asyncio.create_task(cluster.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        running.cancel()
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    log.info("stopped (pid %d)", os.getpid())
