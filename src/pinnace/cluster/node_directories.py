"""Directories of local volumes on machines that joined: asked for at their kubelets, through the API server as everybody would."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from pinnace.apimachinery.errors import StatusError
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    from pinnace.client.rest import RestClient

LONGEST_SECONDS = (
    30.0  # a directory of many files takes its time; what takes longer goes on, and is asked for again
)


class NodeDirectories:
    """`connect` makes the client when it is needed first: an in-process one has no connection to pass on."""

    def __init__(self, connect: Callable[[], "RestClient"], clock: Clock) -> None:
        self._connect, self._clock = connect, clock
        self._client: RestClient | None = None

    async def make(self, node: str, name: str) -> str:
        """Where it is there. Raises OSError in words for an event."""
        answer = await self._ask("POST", node, name)
        path = answer.get("path") if isinstance(answer, dict) else None
        if not isinstance(path, str) or not path.startswith("/"):
            raise OSError(f"the kubelet of node {node} makes no directories for local volumes")
        return path

    async def remove(self, node: str, name: str) -> None:
        """Nothing when it is gone already. Raises OSError."""
        await self._ask("DELETE", node, name)

    async def _ask(self, method: str, node: str, name: str) -> object:
        if self._client is None:
            self._client = self._connect()
        path = f"/api/v1/nodes/{node}/proxy/localVolumes/{quote(name, safe='')}"
        try:
            answer: object = await self._clock.wait_for(self._client.raw(method, path), LONGEST_SECONDS)
        except StatusError as error:
            raise OSError(f"node {node}: {error}") from error
        except TimeoutError as error:
            raise OSError(f"node {node} does not answer") from error
        return answer
