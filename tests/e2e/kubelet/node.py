"""One real node for tests: private containerd, in-process API server, kubelet; and short ways to ask it things."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinnace.api.meta import Object
from pinnace.api.resources import EVENTS, NODES, PODS, SERVICE_ACCOUNTS
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.component.clock import RealClock
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.cri.containerd import CriClient
from pinnace.kubelet.cri.runtime import CriError
from pinnace.kubelet.kubelet import Kubelet
from pinnace.kubelet.volumes.mounts import unmount_below
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.wait import eventually

log = logging.getLogger(__name__)

NODE, IMAGE, NAMESPACE = "node-1", "pinnace.local/demo:1", "default"


def shell(script: str, name: str = "c", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **fields}


WAIT = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


class Node:
    def __init__(self, api: ApiServerInProcess, endpoint: str, base: Path, cgroup_root: str) -> None:
        self.api, self.base = api, base
        self.clock = RealClock()
        self.client = api.local_client()
        self.runtime = CriClient(endpoint, self.clock)
        self.config = KubeletConfig(
            node_name=NODE,
            node_ip="127.0.0.1",
            root_dir=base / "kubelet",
            pod_logs_dir=base / "logs",
            cgroup_root=cgroup_root,
            cluster_dns=("10.43.0.10",),
        )
        self._task: asyncio.Task[None] | None = None
        self.kubelet: Kubelet

    async def start(self) -> None:
        self.start_without_waiting()
        await eventually(self._is_ready)

    def start_without_waiting(self) -> None:
        self.kubelet = Kubelet(self.client, self.clock, self.config, self.runtime)
        self._task = asyncio.create_task(self.kubelet.run())

    async def _is_ready(self) -> bool:
        assert self._task is not None
        if self._task.done():
            await self._task
        return await self.has_condition("Ready")

    async def has_condition(self, kind: str) -> bool:
        with contextlib.suppress(NotFound):
            node = await self.client.get(NODES, NODE)
            conditions = {
                one["type"]: one["status"] for one in (node.get("status") or {}).get("conditions") or ()
            }
            return conditions.get(kind) == "True"
        return False

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def close(self) -> None:
        """Everything this node started ends."""
        await self.stop()
        await eventually(self._no_sandbox_left)
        await self.runtime.close()
        self.kubelet.cgroups.remove_all()
        unmount_below(self.base)

    async def _no_sandbox_left(self) -> bool:
        """What a cancelled kubelet began may still be going on in the runtime: then the next round gets it."""
        boxes = await self.runtime.list_sandboxes()
        for box in boxes:
            with contextlib.suppress(CriError):
                await self.runtime.stop_sandbox(box.id)
                await self.runtime.remove_sandbox(box.id)
        return not boxes

    async def service_account(self) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        with contextlib.suppress(StatusError):
            await self.client.create(SERVICE_ACCOUNTS, account, NAMESPACE)

    async def create(self, name: str, *containers: dict[str, Any], **spec: Any) -> Object:
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, **spec.pop("metadata", {})},
            "spec": {
                "nodeName": NODE,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 3,
                "containers": list(containers) or [shell(WAIT)],
                **spec,
            },
        }
        return await self.client.create(PODS, body, NAMESPACE)

    async def pod(self, name: str) -> Object:
        return await self.client.get(PODS, name, NAMESPACE)

    async def until(self, name: str, holds: Callable[[Object], Any], within: float = 60.0) -> Object:
        async def probe() -> Object | None:
            try:
                pod = await self.pod(name)
            except NotFound:
                return None
            assert holds(pod), pod["status"]
            return pod

        found = await eventually(probe, within=within)
        assert found is not None
        return found

    async def running(self, name: str) -> Object:
        return await self.until(name, lambda pod: pod["status"].get("phase") == "Running" and is_ready(pod))

    async def gone(self, name: str, within: float = 60.0) -> None:
        async def probe() -> bool:
            try:
                await self.pod(name)
            except NotFound:
                return True
            return False

        await eventually(probe, within=within)

    async def delete(self, name: str, grace: int | None = None) -> None:
        await self.client.delete(PODS, name, NAMESPACE, grace_period_seconds=grace)
        await self.gone(name)

    async def sh(self, pod: Object, script: str, container: str = "c") -> str:
        status = self.kubelet.host.container(pod["metadata"]["uid"], container)
        assert status is not None
        result = await self.runtime.exec_sync(status.id, ["sh", "-c", script], 10)
        return (result.stdout + result.stderr).decode()

    def log_text(self, pod: Object, container: str = "c", attempt: int = 0) -> str:
        return self.kubelet.host.log_path(pod, container, attempt).read_text()

    async def events(self, name: str) -> list[tuple[str, str, str]]:
        await self.kubelet.recorder.flush()
        listed = await self.client.list(EVENTS, NAMESPACE)
        return [
            (one["type"], one["reason"], one["message"])
            for one in listed["items"]
            if one["involvedObject"]["name"] == name
        ]


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def container(pod: Object, name: str = "c", group: str = "containerStatuses") -> dict[str, Any]:
    unknown = {"restartCount": 0, "state": {}, "containerID": ""}
    return next((one for one in pod["status"].get(group) or () if one["name"] == name), unknown)


def waiting(pod: Object, name: str = "c", group: str = "containerStatuses") -> str:
    for one in pod["status"].get(group) or ():
        if one["name"] == name:
            return (one["state"].get("waiting") or {}).get("reason", "")
    return ""
