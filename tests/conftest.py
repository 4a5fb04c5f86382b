"""Our own plugin's fixtures, also where Pinnace is not installed and its entry point therefore not there; how long properties are tried."""

import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# pexpect forks, and what gRPC would do then in the child is written to the terminal that is tested.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from pinnace.testing.fixtures import (
    api_server,
    fake_clock,
    local_client,
    rest_client,
    simulated_cluster,
)

__all__ = ["api_server", "fake_clock", "local_client", "rest_client", "simulated_cluster"]

# A run that a shell put into the background ignores Ctrl-C, and so would all programs that tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("PINNACE_DETECT_MUTATION", "1")  # caches check that nobody changes what they hold

# Properties are judged by what they find, not by how fast a busy machine draws examples. The same examples every time, so that
# what was green stays green, except with `./dev test --all`, which looks for new ones. See `properties.examples`.
PATIENT = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], derandomize=True
)
settings.register_profile("quick", PATIENT, max_examples=25)
settings.register_profile("usual", PATIENT, max_examples=100)
settings.register_profile("thorough", PATIENT, max_examples=500, derandomize=False)
settings.load_profile("usual")


def pytest_collection_finish() -> None:
    """Thousands of collected tests live to the end: the garbage collector need not walk them again and again. As the server does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The failed tests' names, a line each, in the file that `FAILED_TESTS` names: `./dev test` runs them once more by themselves."""
    if not (path := os.environ.get("FAILED_TESTS")):
        return
    failed = [report.nodeid for kind in ("failed", "error") for report in terminalreporter.getreports(kind)]
    Path(path).write_text("".join(f"{name}\n" for name in dict.fromkeys(failed)))
