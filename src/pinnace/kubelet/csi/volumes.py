"""CSI volumes of this node's pods: staged once, published to each pod, and the same backwards.

Every step is told to disk before the driver is asked and taken back after it has let go, so that a kubelet which was killed
in between undoes or repeats it: CSI's calls may be repeated. Calls about one volume never overlap.
Upstream: pkg/volume/csi/csi_attacher.go, csi_mounter.go, csi_block.go
"""

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import SECRETS, VOLUME_ATTACHMENTS
from pinnace.apimachinery.errors import NotFound
from pinnace.client.events import EventRecorder
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.kubelet.csi import places
from pinnace.kubelet.csi import source as rules
from pinnace.kubelet.csi.drivers import CsiDriver, CsiDrivers
from pinnace.kubelet.csi.expansion import Expansion
from pinnace.kubelet.csi.places import DONE, Place, Places
from pinnace.kubelet.csi.source import CsiSource
from pinnace.kubelet.stats.usage import Filesystem
from pinnace.kubelet.volumes.ownership import give_to
from pinnace.kubelet.volumes.plugin import MountError, NotAttached, VolumeContext
from pinnace.net.csi.messages import BYTES, INODES, NodeCapability
from pinnace.net.grpc_sockets import RpcError

log = logging.getLogger(__name__)

ATTACH_SECONDS = 123.0  # upstream's podAttachAndMountTimeout: until then waiting is no news
InUse = Callable[[frozenset[str]], Awaitable[None]]


class CsiVolumes:
    """`report` writes the names of attachable volumes in use to the node's status, before they are mounted."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        drivers: CsiDrivers,
        root: Path,
        node_name: str,
        report: InUse,
        recorder: EventRecorder,
    ) -> None:
        self._client, self._clock, self.drivers, self._node = client, clock, drivers, node_name
        self.places = Places(root)
        self._report = report
        self._expansion = Expansion(client, recorder, node_name)
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._in_use: set[str] = set()
        self._coming: dict[
            tuple[str, str], float
        ] = {}  # pod and volume -> since when it waits to be attached or mounted

    async def adopt(self) -> None:
        """After a start: what is staged is in use until it is unstaged. Call before pods are ended."""
        found = await asyncio.to_thread(lambda: list(self.places.staged()))
        names = {data["attachable"] for _, data in found if data.get("attachable")}
        if names:
            self._in_use |= names
            await self._report(frozenset(self._in_use))

    # --- set up

    async def set_up(self, source: CsiSource, context: VolumeContext) -> Path:
        """The directory, or the device, that containers get. Idempotent. Raises MountError."""
        uid = meta.uid(context.pod)
        place = self._publishing(source, uid)
        stage, publish = _operations(source)
        kind = await context.objects.csi_driver(source.driver)
        is_there = await asyncio.to_thread(places.is_done, place.record)
        if is_there and not (kind is not None and kind["spec"].get("requiresRepublish")):
            return await self._grown(source, place, context)
        with _named(publish, source):
            driver = self.drivers.get(source.driver, "mounter.SetUpAt failed to get CSI client")
            if problem := rules.lifecycle_problem(source, kind):
                raise MountError(problem)
            published = await self._attached(source, context, kind)
        async with self._lock(source.driver, source.handle):
            with _named(stage, source):
                staging = await self._stage(source, driver, published, kind, context)
            with _named(publish, source):
                await self._publish(source, driver, (place, staging), published, kind, context)
        self._coming.pop((uid, source.name), None)
        return await self._grown(source, place, context)

    async def _grown(self, source: CsiSource, place: Place, context: VolumeContext) -> Path:
        """The target, whose file system is as large as the volume, where the driver sees to that."""
        driver = self.drivers.find(source.driver)
        if driver is not None and driver.can(NodeCapability.EXPAND) and source.volume is not None:
            staged = driver.can(NodeCapability.STAGE_UNSTAGE)
            staging = str(self._staging(source).target) if staged else ""
            secrets = await self._secrets(source, "nodeExpandSecretRef", "NodeExpandSecretRef", "")
            await self._expansion.follow(source, driver, place.target, staging, secrets, context.pod)
        return place.target

    def _lock(self, driver: str, handle: str) -> asyncio.Lock:
        return self._locks.setdefault((driver, handle), asyncio.Lock())

    def _publishing(self, source: CsiSource, uid: str) -> Place:
        if source.is_block:
            return self.places.block_publishing(uid, source.name)
        return self.places.publishing(uid, source.name)

    def _staging(self, source: CsiSource) -> Place:
        if source.is_block:
            return self.places.block_staging(source.name)
        return self.places.staging(source.driver, source.handle)

    async def _attached(
        self, source: CsiSource, context: VolumeContext, kind: Object | None
    ) -> dict[str, str]:
        """The publish context of the attachment; {} where none is needed."""
        if not rules.needs_attachment(source, kind):
            return {}
        now = self._clock.monotonic()
        since = self._coming.setdefault((meta.uid(context.pod), source.name), now)
        await self._mark_in_use(source.unique_name)
        try:
            name = rules.attachment_name(source, self._node)
            found = await self._client.get(VOLUME_ATTACHMENTS, name)
        except NotFound:
            found = {}
        status = found.get("status") or {}
        if not status.get("attached") or meta.is_terminating(found):
            overdue = now - since > ATTACH_SECONDS
            raise NotAttached("timed out waiting for the condition", overdue=overdue)
        return status.get("attachmentMetadata") or {}

    async def _stage(
        self, source: CsiSource, driver: CsiDriver, published: dict[str, str], kind: Object | None,
        context: VolumeContext,
    ) -> str:  # fmt: skip
        """The staging path; "" for a driver that does not stage. The record is there in any case: it holds the attachment."""
        if source.volume is None:
            return ""
        place = self._staging(source)
        staged = driver.can(NodeCapability.STAGE_UNSTAGE)
        if await asyncio.to_thread(places.is_done, place.record):
            return str(place.target) if staged else ""
        data = {"driverName": source.driver, "volumeHandle": source.handle, "specVolID": source.name}
        if rules.needs_attachment(source, kind):
            data["attachable"] = source.unique_name
        if staged:
            secrets = await self._secrets(source, "nodeStageSecretRef", "NodeStageSecretRef", "")
            await asyncio.to_thread(_begin, place, data, is_directory=True)
            group = _group_of_driver(source, kind, context)
            try:
                await driver.endpoint.csi(
                    "Node", "NodeStageVolume", volume_id=source.handle, publish_context=published,
                    staging_target_path=str(place.target), secrets=secrets,
                    volume_capability=rules.capability(source, driver.capabilities, group),
                    volume_context=source.csi.get("volumeAttributes") or {},
                )  # fmt: skip
            except RpcError as error:
                if error.is_final:
                    await asyncio.to_thread(places.remove, place)
                raise
        await asyncio.to_thread(places.write, place.record, {**data, DONE: places.boot_id()})
        return str(place.target) if staged else ""

    async def _publish(
        self, source: CsiSource, driver: CsiDriver, where: tuple[Place, str], published: dict[str, str],
        kind: Object | None, context: VolumeContext,
    ) -> None:  # fmt: skip
        place, staging = where
        pod, group = context.pod, context.group
        uid, space = meta.uid(pod), meta.namespace(pod)
        secrets = await self._secrets(source, "nodePublishSecretRef", "NodePublishSecretRef", space)
        tokens = await self._tokens(context, kind)
        attributes = {
            **(source.csi.get("volumeAttributes") or {}),
            **rules.pod_attributes(source, pod, kind),
        }
        if kind is not None and kind["spec"].get("serviceAccountTokenInSecrets"):
            secrets |= tokens
        else:
            attributes |= tokens
        is_again = await asyncio.to_thread(places.is_done, place.record)
        data = {
            "driverName": source.driver, "volumeHandle": source.handle, "specVolID": source.name,
            "nodeName": self._node, "volumeLifecycleMode": source.mode,
            "attachmentID": rules.attachment_name(source, self._node),
        }  # fmt: skip
        if not is_again:
            await asyncio.to_thread(_begin, place, data, is_directory=False)
        try:
            await driver.endpoint.csi(
                "Node", "NodePublishVolume", volume_id=source.handle, publish_context=published,
                staging_target_path=staging, target_path=str(place.target), readonly=source.read_only,
                secrets=secrets, volume_context=attributes,
                volume_capability=rules.capability(
                    source, driver.capabilities, _group_of_driver(source, kind, context)
                ),
            )  # fmt: skip
        except RpcError as error:
            if error.is_final and not is_again:
                await asyncio.to_thread(places.remove, place)
            raise
        if is_again:
            return
        if group is not None and rules.we_set_group(source, driver.capabilities, group, kind):
            policy = (pod["spec"].get("securityContext") or {}).get("fsGroupChangePolicy")
            try:
                await asyncio.to_thread(give_to, place.target, group, policy)
            except OSError as error:
                raise MountError(f"applyFSGroup failed for vol {source.handle}: {error}") from error
        await asyncio.to_thread(places.write, place.record, {**data, DONE: places.boot_id()})
        if source.is_block:
            await asyncio.to_thread(_link, self.places.block_link(uid, source.name), place.target)

    async def _secrets(self, source: CsiSource, field: str, name: str, space: str) -> dict[str, str]:
        reference = source.secret(field)
        if reference is None:
            return {}
        namespace = space if source.volume is None else reference[0] or space
        try:
            found = await self._client.get(SECRETS, reference[1], namespace)
        except NotFound as error:
            raise MountError(f"fetching {name} {namespace}/{reference[1]} failed: {error}") from error
        try:
            return {key: base64.b64decode(text).decode() for key, text in (found.get("data") or {}).items()}
        except UnicodeDecodeError as error:  # drivers are told text
            raise MountError(f"fetching {name} {namespace}/{reference[1]} failed: {error}") from error

    async def _tokens(self, context: VolumeContext, kind: Object | None) -> dict[str, str]:
        wanted = (kind or {"spec": {}})["spec"].get("tokenRequests") or ()
        tokens: dict[str, dict[str, str]] = {}
        for one in wanted:
            audience = one.get("audience") or ""
            token, expires = await context.objects.token_status(
                audience, one.get("expirationSeconds") or 3600
            )
            tokens[audience] = {"token": token, "expirationTimestamp": expires}
        return rules.token_attribute(tokens)

    async def _mark_in_use(self, name: str) -> None:
        if name not in self._in_use:
            self._in_use.add(name)
            await self._report(frozenset(self._in_use))

    # --- how full

    async def usage(self, source: CsiSource, uid: str) -> Filesystem | None:
        """What the driver says of the volume of this pod; None when it does not tell."""
        driver, place = self.drivers.find(source.driver), self._publishing(source, uid)
        if driver is None or not driver.can(NodeCapability.VOLUME_STATS) or not places.is_done(place.record):
            return None
        staging = str(self._staging(source).target) if driver.can(NodeCapability.STAGE_UNSTAGE) else ""
        try:
            answer = await driver.endpoint.csi(
                "Node", "NodeGetVolumeStats", volume_id=source.handle, volume_path=str(place.target),
                staging_target_path=staging,
            )  # fmt: skip
        except RpcError as error:
            log.warning("no statistics of volume %s: %s", source.name, error)
            return None
        by_unit = {one.unit: one for one in answer.usage}
        size, inodes = by_unit.get(BYTES), by_unit.get(INODES)
        if size is None:
            return None
        counted = (inodes.total, inodes.available) if inodes is not None else (0, 0)
        return Filesystem(size.total, size.available, size.used, *counted)

    # --- tear down

    async def tear_down(self, uid: str) -> None:
        """Unpublish what the pod has. Raises MountError, RpcError, OSError."""
        for key in [key for key in self._coming if key[0] == uid]:
            del self._coming[key]
        found = await asyncio.to_thread(lambda: list(self.places.of_pod(uid)))
        for place, data in found:
            driver = self.drivers.get(data["driverName"], "mounter.TearDownAt failed to get CSI client")
            async with self._lock(data["driverName"], data["volumeHandle"]):
                await driver.endpoint.csi(
                    "Node",
                    "NodeUnpublishVolume",
                    volume_id=data["volumeHandle"],
                    target_path=str(place.target),
                )
                await asyncio.to_thread(self._unlink, place, uid, data["specVolID"])

    def _unlink(self, place: Place, uid: str, name: str) -> None:
        self.places.block_link(uid, name).unlink(missing_ok=True)
        places.remove(place)

    async def unstage_unused(self) -> None:
        """Unstage every volume that no pod has; what fails is tried again at the next call."""
        for place, data in await asyncio.to_thread(lambda: list(self.places.staged())):
            try:
                await self._unstage(place, data)
            except (MountError, RpcError, OSError) as error:
                log.warning(
                    "volume %s of driver %s not unstaged: %s", data["volumeHandle"], data["driverName"], error
                )
        await self._drop_unused()

    async def _unstage(self, place: Place, data: dict[str, str]) -> None:
        name, handle = data["driverName"], data["volumeHandle"]
        async with self._lock(name, handle):
            if await asyncio.to_thread(self.places.users, name, handle):
                return
            driver = self.drivers.get(name, "detacher.UnmountDevice failed to create newCsiDriverClient")
            if driver.can(NodeCapability.STAGE_UNSTAGE):
                await driver.endpoint.csi(
                    "Node", "NodeUnstageVolume", volume_id=handle, staging_target_path=str(place.target)
                )
            await asyncio.to_thread(places.remove, place)

    async def _drop_unused(self) -> None:
        """What is neither staged nor on its way there is not in use."""
        staged = await asyncio.to_thread(lambda: list(self.places.staged()))
        names = {data.get("attachable", "") for _, data in staged}
        gone = {one for one in self._in_use if one not in names} if not self._coming else set()
        if gone:
            self._in_use -= gone
            await self._report(frozenset(self._in_use))


class _named:  # noqa: N801  # reads as a statement
    """Errors inside become MountErrors of this operation on this volume."""

    def __init__(self, operation: str, source: CsiSource) -> None:
        self._operation, self._source = operation, source

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, MountError):
            error.operation, error.volume = self._operation, self._source.name
        elif isinstance(error, RpcError | OSError):
            raise MountError(str(error), operation=self._operation, volume=self._source.name) from error


def _operations(source: CsiSource) -> tuple[str, str]:
    if source.is_block:
        return "MapVolume.SetUpDevice", "MapVolume.MapPodDevice"
    return "MountVolume.MountDevice", "MountVolume.SetUp"


def _group_of_driver(source: CsiSource, kind: Object | None, context: VolumeContext) -> int | None:
    """fsGroup for drivers that apply it themselves, unless their policy is to leave it."""
    policy = (kind or {"spec": {}})["spec"].get("fsGroupPolicy")
    return None if policy == "None" or source.read_only else context.group


def _begin(place: Place, data: dict[str, str], *, is_directory: bool) -> None:
    (place.target if is_directory else place.target.parent).mkdir(mode=0o750, parents=True, exist_ok=True)
    places.write(place.record, data)


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not places.exists(link):
        link.symlink_to(target)
