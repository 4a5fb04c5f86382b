"""One server process: take the lock, check the machine, run the cluster until told to stop."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pinnace.cluster import preflight
from pinnace.cluster.config import ClusterConfig, remember
from pinnace.cluster.decide import settle
from pinnace.cluster.errors import UsageError
from pinnace.cluster.launch import ALREADY_RUNNING
from pinnace.cluster.network import NetworkError
from pinnace.cluster.progress import Progress, show
from pinnace.cluster.state import RunState
from pinnace.component import logs
from pinnace.component.blocking_clock import BlockingClock
from pinnace.component.clock import RealClock
from pinnace.store.backend import UnusableData

if TYPE_CHECKING:
    from pinnace.cluster.agent_flags import AgentConfig

log = logging.getLogger("pinnace")
TOLD = (UsageError, NetworkError, UnusableData, OSError, RuntimeError)  # their text says all: no traceback


class Program(Protocol):
    """What a server process runs: a cluster, or the node of another machine's cluster."""

    async def run(self) -> None: ...


Make = Callable[[RunState, Progress, list[str]], Program]


def serve(config: ClusterConfig, *, in_foreground: bool) -> int:
    """Run a cluster until SIGTERM or SIGINT; containers go on running. In the foreground, progress is shown here."""

    def make(state: RunState, progress: Progress, notes: list[str]) -> Program:
        from pinnace.cluster.cluster import Cluster

        settle(config)
        check_names(config)
        remember(config)
        return Cluster(config, RealClock(), state=state, progress=progress, notes=notes)

    return run_program(config, make, in_foreground=in_foreground)


def serve_agent(config: "AgentConfig", *, in_foreground: bool) -> int:
    """Be a node of another machine's cluster until SIGTERM or SIGINT; containers go on running."""

    def make(state: RunState, progress: Progress, notes: list[str]) -> Program:
        from pinnace.cluster.agent import Agent

        return Agent(config, RealClock(), state=state, progress=progress, notes=notes)

    return run_program(config.node, make, in_foreground=in_foreground)


def run_program(config: ClusterConfig, make: Make, *, in_foreground: bool) -> int:
    """Take the lock of the data directory, check the machine, run what `make` gives until SIGTERM or SIGINT."""
    # nothing here forks without exec: spares gRPC's handlers
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
    logs.configure(config.verbosity, config.logging_format)
    state = RunState(config.directory)
    try:
        if not state.acquire():
            sys.stderr.write(
                f"error: cluster {config.name!r} is already running: `pinnace status` shows it\n"
            )
            return ALREADY_RUNNING
        progress = Progress(state.progress_file, _echo() if in_foreground else None)
    except OSError as error:
        sys.stderr.write(
            f"error: {config.directory} cannot be used ({error.strerror}): choose another place with --data-dir DIR\n"
        )
        return 1
    try:
        findings = preflight.run(config)
        if findings.fatal:
            return _refuse(progress, findings.fatal)
        program = make(state, progress, findings.warnings)
        _raise_open_files()
        for warning in findings.warnings:
            progress.note(warning)
        _run_loop(_run(program))
    except Exception as error:
        failures = list(causes(error))
        if not all(isinstance(failure, TOLD) for failure in failures):
            log.exception("the cluster stopped")
        return _refuse(progress, [str(failure) or type(failure).__name__ for failure in failures])
    return 0


def _echo() -> Callable[[dict[str, Any]], None]:
    clock = BlockingClock()
    begun = clock.monotonic()

    def echo(line: dict[str, Any]) -> None:
        show(line, clock.monotonic() - begun, is_terminal=sys.stdout.isatty())

    return echo


def check_names(config: ClusterConfig) -> None:
    """Raises UsageError for a controller or admission plugin that is not there, and for a damaged file of tokens.

    Usually no flag names any: then nothing is imported before the API server is up.
    """
    if config.controllers != "*":
        check_controllers(config)
    if config.token_auth_file:
        check_tokens(Path(config.token_auth_file))
    if config.admission_control_config_file:
        check_admission_configuration(Path(config.admission_control_config_file))
    if config.tracing_config_file:
        from pinnace.cluster.tracing import check_tracing_configuration

        check_tracing_configuration(Path(config.tracing_config_file))
    if config.enable_admission_plugins or config.disable_admission_plugins:
        from pinnace.apiserver.admission.catalog import PLUGINS

        for flag in ("enable_admission_plugins", "disable_admission_plugins"):
            for name in filter(None, getattr(config, flag).split(",")):
                if name not in PLUGINS:
                    raise UsageError(
                        f"--{flag.replace('_', '-')}: admission plugin {name!r} is not there; there are {', '.join(sorted(PLUGINS))}"
                    )


def check_admission_configuration(path: Path) -> None:
    """Raises UsageError for a file that cannot be read, and for a plugin that is not there."""
    from pinnace.apiserver.admission.catalog import PLUGINS
    from pinnace.apiserver.admission.configuration import load

    try:
        for name in load(path):
            if name not in PLUGINS:
                raise ValueError(
                    f"admission plugin {name!r} is not there; there are {', '.join(sorted(PLUGINS))}"
                )
    except ValueError as error:
        raise UsageError(f"--admission-control-config-file: {error}") from None


def check_tokens(path: Path) -> None:
    from pinnace.apiserver.authn.static_tokens import StaticTokens

    try:
        StaticTokens.load(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"--token-auth-file {path}: {error}") from None


def check_controllers(config: ClusterConfig) -> None:
    """Raises UsageError for a name in `--controllers` that no controller has."""
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
    if not progress.is_shown:
        sys.stderr.write(f"error: {text}\n")  # into the server's log
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
    # Objects from JSON hold no cycles, but each counts as an allocation: collect after many, not after 700.
    gc.set_threshold(50_000, 20, 50)
    gc.freeze()  # what was imported lives for ever: do not walk it at every collection
    uvloop.run(main)


async def _run(program: Program) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(program.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        running.cancel()
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    log.info("stopped (pid %d)", os.getpid())
