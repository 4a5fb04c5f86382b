"""Which handler of the container runtime a pod's RuntimeClass names. Asked only for pods that name one."""

from pinnace.api.meta import Object
from pinnace.api.resources import RUNTIME_CLASSES
from pinnace.apimachinery.errors import NotFound, StatusError
from pinnace.client.interface import Client


class NoHandler(Exception):
    """Why the pod's sandbox cannot be made, in upstream's words."""


class RuntimeClasses:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def handler(self, pod: Object) -> str:
        """ "" is the runtime's own default; raises NoHandler."""
        name = pod["spec"].get("runtimeClassName")
        if not name:
            return ""
        try:
            found = await self._client.get(RUNTIME_CLASSES, name)
        except NotFound:
            raise NoHandler(f'runtimeclass.node.k8s.io "{name}" not found') from None
        except (StatusError, ConnectionError, TimeoutError) as error:
            raise NoHandler(f"failed to lookup RuntimeClass {name}: {error}") from error
        handler: str = found["handler"]
        return handler
