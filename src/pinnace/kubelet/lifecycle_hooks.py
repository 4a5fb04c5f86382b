"""postStart and preStop hooks: run a command in the container, call it over HTTP, or sleep."""

import logging
from typing import Any

from pinnace.api.meta import Object
from pinnace.component.clock import Clock
from pinnace.kubelet.contracts import LifecycleHooks
from pinnace.kubelet.cri.runtime import ContainerRuntime, CriError

log = logging.getLogger(__name__)


class HookError(Exception):
    """The hook failed; the message says how."""


class HookRunner:
    def __init__(self, runtime: ContainerRuntime, clock: Clock, http: LifecycleHooks | None) -> None:
        self._runtime, self._clock, self._http = runtime, clock, http

    async def run(
        self, pod: Object, container: dict[str, Any], container_id: str, handler: dict[str, Any], pod_ip: str
    ) -> None:
        """Raises HookError."""
        if "exec" in handler:
            await self._exec(container_id, handler["exec"].get("command") or [])
        elif "sleep" in handler:
            await self._clock.sleep(handler["sleep"]["seconds"])
        elif "httpGet" in handler:
            await self._get(pod, container, handler["httpGet"], pod_ip)
        else:
            raise HookError("invalid handler: it has none of exec, httpGet, sleep")

    async def _exec(self, container_id: str, command: list[str]) -> None:
        try:
            result = await self._runtime.exec_sync(container_id, command, 0)
        except CriError as error:
            raise HookError(str(error)) from error
        if result.exit_code:
            output = (result.stdout + result.stderr).decode(errors="replace")
            raise HookError(f"command '{' '.join(command)}' exited with {result.exit_code}: {output}")

    async def _get(self, pod: Object, container: dict[str, Any], action: dict[str, Any], pod_ip: str) -> None:
        if self._http is None:
            raise HookError("this kubelet has no HTTP prober")
        try:
            await self._http.http_get(pod, container, action, pod_ip=pod_ip)
        except (OSError, TimeoutError, ValueError) as error:
            raise HookError(str(error)) from error
