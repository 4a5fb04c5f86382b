"""`containerd`: a private containerd for the whole test session, run by a thread with an event loop of its own."""

import asyncio
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pinnace.cluster import demo
from pinnace.component.clock import RealClock
from pinnace.kubelet.cri.private_containerd import (
    BridgeNetwork,
    ContainerdConfig,
    Handler,
    PrivateContainerd,
    needs_restricted_oom_score_adj,
)


class LoopThread:
    """An event loop that outlives single tests."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="session")
def containerd() -> Generator[PrivateContainerd, None, None]:
    if os.geteuid() != 0 or not shutil.which("containerd"):
        pytest.skip("needs root and containerd")
    base = Path(tempfile.mkdtemp(prefix="pinnace-kubelet-"))
    with private_containerd(base) as server:
        yield server


@contextmanager
def private_containerd(base: Path) -> Iterator[PrivateContainerd]:
    """One below `base`, which is emptied in the end."""
    tag = secrets.token_hex(2)
    config = ContainerdConfig(
        base / "root",
        base / "state",
        base / "cni",
        restrict_oom_score_adj=needs_restricted_oom_score_adj(),
        handlers=(Handler("second", program="runc"),),
    )
    octet = int(tag[:2], 16)
    network = BridgeNetwork(
        f"pinnace-{tag}", f"pnk{tag}", f"10.199.{octet}.0/24", base / "ipam", masquerade=False, port_map=False
    )
    thread, server = LoopThread(), PrivateContainerd(config, network, RealClock())
    try:
        thread.run(server.start())
        demo.load_image(str(config.socket))
        yield server
    finally:
        thread.run(server.remove_all_pods())
        thread.run(server.stop())
        thread.close()
        server.unmount_leftovers()
        os.system(f"ip link delete {network.bridge} 2>/dev/null")
        shutil.rmtree(base, ignore_errors=True)
