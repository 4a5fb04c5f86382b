"""What containerd offers beside CRI, for what CRI of containerd 1.6 lacks: read-only views of images, and killing a task.

The services are gRPC on the same socket. Other runtimes answer UNIMPLEMENTED, which callers tell the user.
Facts: https://github.com/containerd/containerd/tree/release/1.6/api/services
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

from pinnace.kubelet.cri.runtime import CriError, ViewMount
from pinnace.net.grpc_messages import build_classes

NAMESPACE = (("containerd-namespace", "k8s.io"),)
SNAPSHOTTER = "overlayfs"
SECONDS = 30.0

TABLE = """
ReadContentRequest: 1 digest string, 2 offset int64, 3 size int64
ReadContentResponse: 1 offset int64, 2 data bytes
Mount: 1 type string, 2 source string, 3 target string, 4 options *string
ViewSnapshotRequest: 1 snapshotter string, 2 key string, 3 parent string, 4 labels map
ViewSnapshotResponse: 1 mounts *Mount
MountsRequest: 1 snapshotter string, 2 key string
MountsResponse: 1 mounts *Mount
RemoveSnapshotRequest: 1 snapshotter string, 2 key string
WaitRequest: 1 container_id string, 2 exec_id string
WaitResponse: 1 exit_status uint32
KillRequest: 1 container_id string, 2 exec_id string, 3 signal uint32, 4 all bool
Empty:
"""


@cache
def _classes() -> dict[str, Any]:
    return build_classes("pinnace.containerd", TABLE)


class Channel(Protocol):
    """How a call is made: the CRI client's own connection."""

    async def call_service(
        self, path: str, request: Any, answer: Any, metadata: Any, seconds: float
    ) -> Any: ...

    async def stream_service(
        self, path: str, request: Any, answer: Any, metadata: Any, seconds: float
    ) -> Sequence[Any]: ...


class ContainerdServices:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def _call(self, path: str, request: str, answer: str, **fields: Any) -> Any:
        classes = _classes()
        message = classes[request](**fields)
        return await self._channel.call_service(path, message, classes[answer], NAMESPACE, SECONDS)

    async def view_image(self, image_id: str, key: str) -> list[ViewMount]:
        """Mounts that show the files of an image; the image's layers stay while the view is there. Idempotent."""
        parent = chain_id(json.loads(await self._read(image_id))["rootfs"]["diff_ids"])
        labels = {"containerd.io/gc.root": "pinnace"}  # or containerd's garbage collection takes it
        place: dict[str, Any] = {"snapshotter": SNAPSHOTTER, "key": key}
        service = "/containerd.services.snapshots.v1.Snapshots"
        try:
            answer = await self._call(
                f"{service}/View", "ViewSnapshotRequest", "ViewSnapshotResponse",
                parent=parent, labels=labels, **place,
            )  # fmt: skip
        except CriError as error:
            if error.code != "ALREADY_EXISTS":
                raise
            answer = await self._call(f"{service}/Mounts", "MountsRequest", "MountsResponse", **place)
        return [ViewMount(one.type, one.source, tuple(one.options)) for one in answer.mounts]

    async def drop_view(self, key: str) -> None:
        path = "/containerd.services.snapshots.v1.Snapshots/Remove"
        try:
            await self._call(path, "RemoveSnapshotRequest", "Empty", snapshotter=SNAPSHOTTER, key=key)
        except CriError as error:
            if not error.is_not_found:
                raise

    async def signal(self, container_id: str, signal: int, patience: float) -> bool:
        """Send it to the first process of a container; True when that has ended within `patience` seconds."""
        tasks = "/containerd.services.tasks.v1.Tasks"
        try:
            await self._call(
                f"{tasks}/Kill", "KillRequest", "Empty", container_id=container_id, signal=signal
            )
            wait = _classes()["WaitRequest"](container_id=container_id)
            kind = _classes()["WaitResponse"]
            await self._channel.call_service(f"{tasks}/Wait", wait, kind, NAMESPACE, patience)
        except CriError as error:
            if error.code == "DEADLINE_EXCEEDED":
                return False
            if not error.is_not_found:
                raise
        return True

    async def _read(self, digest: str) -> bytes:
        """A small blob of the content store: the id of an image in CRI is the digest of its configuration."""
        classes = _classes()
        message = classes["ReadContentRequest"](digest=digest, size=0)
        path, kind = "/containerd.services.content.v1.Content/Read", classes["ReadContentResponse"]
        parts = await self._channel.stream_service(path, message, kind, NAMESPACE, SECONDS)
        return b"".join(part.data for part in parts)


def chain_id(diff_ids: Sequence[str]) -> str:
    """The name of the snapshot that these layers add up to (OCI image specification, `ChainID`)."""
    chained = diff_ids[0] if diff_ids else ""
    for layer in diff_ids[1:]:
        chained = "sha256:" + hashlib.sha256(f"{chained} {layer}".encode()).hexdigest()
    return chained
