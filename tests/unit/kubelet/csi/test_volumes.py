"""CSI volumes step by step against a driver that is only a list: what is on disk after each answer, and what is asked again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pinnace.client.events import EventRecorder
from pinnace.kubelet.csi.drivers import CsiDriver, CsiDrivers
from pinnace.kubelet.csi.node_objects import CsiNodeObjects
from pinnace.kubelet.csi.source import CsiSource, attachment_name, persistent
from pinnace.kubelet.csi.volumes import ATTACH_SECONDS, CsiVolumes
from pinnace.kubelet.volumes.plugin import MountError, NotAttached, VolumeContext
from pinnace.net.csi.messages import NodeCapability
from pinnace.net.grpc_sockets import RpcError
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock

Object = dict[str, Any]


class Endpoint:
    """Answers every call with nothing, or fails as it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Object]] = []
        self.fails: dict[str, RpcError] = {}
        self.inside = self.most = 0

    async def csi(self, service: str, method: str, /, **fields: Any) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        self.calls.append((method, fields))
        if method in self.fails:
            raise self.fails[method]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


class Objects:
    def __init__(self, kind: Object | None) -> None:
        self.kind = kind

    async def csi_driver(self, name: str) -> Object | None:
        return self.kind


class World:
    def __init__(self, root: Path, *objects: Object, attach: bool = False) -> None:
        self.root, self.client, self.clock, self.endpoint = (
            root,
            FakeClient(list(objects)),
            FakeClock(),
            Endpoint(),
        )
        self.kind: Object = {"metadata": {"name": "d"}, "spec": {"attachRequired": attach}}
        self.reported: list[set[str]] = []
        self.begin()

    def begin(self) -> None:
        """A new kubelet on the same disk."""
        drivers = CsiDrivers(self.client, self.clock, CsiNodeObjects(self.client, "n"))
        can = frozenset({NodeCapability.STAGE_UNSTAGE})
        drivers._drivers["d"] = CsiDriver("d", self.endpoint, can)  # type: ignore[arg-type]
        recorder = EventRecorder(self.client, self.clock, "kubelet")
        self.csi = CsiVolumes(self.client, self.clock, drivers, self.root, "n", self.report, recorder)

    async def report(self, names: frozenset[str]) -> None:
        self.reported.append(set(names))

    def context(self, uid: str = "p1") -> VolumeContext:
        pod = {"metadata": {"name": uid, "namespace": "default", "uid": uid}, "spec": {"containers": []}}
        return VolumeContext(pod, Objects(self.kind), {}, {}, "s", 1, self.csi)  # type: ignore[arg-type]

    async def set_up(self, uid: str = "p1", **csi: Any) -> Path:
        return await self.csi.set_up(source(**csi), self.context(uid))


def source(**csi: Any) -> CsiSource:
    spec = {"accessModes": ["ReadWriteOnce"], "csi": {"driver": "d", "volumeHandle": "h", **csi}}
    return persistent({"metadata": {"name": "pv"}, "spec": spec}, {}, read_only=False)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_volume_is_staged_once_and_unstaged_by_the_last(world: World) -> None:
    await asyncio.gather(world.set_up("p1"), world.set_up("p2"))
    assert sorted(world.endpoint.names) == ["NodePublishVolume", "NodePublishVolume", "NodeStageVolume"]
    assert world.endpoint.most == 1, "calls about one volume never overlap"
    await world.csi.tear_down("p1")
    await world.csi.unstage_unused()
    assert "NodeUnstageVolume" not in world.endpoint.names
    await world.csi.tear_down("p2")
    await world.csi.unstage_unused()
    assert world.endpoint.names[-2:] == ["NodeUnpublishVolume", "NodeUnstageVolume"]
    assert list((world.root / "plugins").rglob("vol_data.json")) == []


async def test_a_new_kubelet_asks_for_nothing_that_is_done(world: World) -> None:
    target = await world.set_up()
    world.begin()
    assert await world.set_up() == target
    assert world.endpoint.names == ["NodeStageVolume", "NodePublishVolume"]
    await world.csi.tear_down("p1")
    await world.csi.unstage_unused()
    assert world.endpoint.names[2:] == ["NodeUnpublishVolume", "NodeUnstageVolume"]


async def test_after_a_start_of_the_machine_everything_is_mounted_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.set_up()
    monkeypatch.setattr("pinnace.kubelet.csi.places.boot_id", lambda: "another")
    world.begin()
    await world.set_up()
    assert world.endpoint.names == ["NodeStageVolume", "NodePublishVolume"] * 2


@pytest.mark.parametrize(("code", "left"), [("INTERNAL", 0), ("DEADLINE_EXCEEDED", 1), ("ABORTED", 1)])
async def test_what_may_have_been_done_is_undone(world: World, code: str, left: int) -> None:
    world.endpoint.fails["NodePublishVolume"] = RpcError(code, "no")
    with pytest.raises(MountError, match=r"desc = no") as error:
        await world.set_up()
    assert (error.value.operation, error.value.volume) == ("MountVolume.SetUp", "pv")
    await world.csi.tear_down("p1")
    assert world.endpoint.names.count("NodeUnpublishVolume") == left
    await world.csi.unstage_unused()
    assert world.endpoint.names[-1] == "NodeUnstageVolume"


async def test_a_driver_that_does_not_let_go_is_asked_again(world: World) -> None:
    await world.set_up()
    world.endpoint.fails["NodeUnpublishVolume"] = RpcError("INTERNAL", "busy")
    with pytest.raises(RpcError, match="busy"):
        await world.csi.tear_down("p1")
    world.endpoint.fails = {"NodeUnstageVolume": RpcError("INTERNAL", "busy")}
    await world.csi.tear_down("p1")
    await world.csi.unstage_unused()
    world.endpoint.fails = {}
    await world.csi.unstage_unused()
    await world.csi.unstage_unused()
    assert world.endpoint.names.count("NodeUnpublishVolume") == 2
    assert world.endpoint.names.count("NodeUnstageVolume") == 2


async def test_waiting_for_the_attachment_becomes_news_when_it_takes_long(tmp_path: Path) -> None:
    world = World(tmp_path, attach=True)
    for seconds, overdue in ((0, False), (ATTACH_SECONDS, False), (1, True)):
        await world.clock.advance(seconds)
        with pytest.raises(NotAttached) as error:
            await world.set_up()
        assert error.value.overdue is overdue
    assert world.reported == [{"kubernetes.io/csi/d^h"}], "told before it is mounted"
    await world.csi.tear_down("p1")
    await world.csi.unstage_unused()
    assert world.reported[-1] == set()


async def test_a_volume_stays_in_use_until_it_is_unstaged(tmp_path: Path) -> None:
    attachment = {
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": attachment_name(source(), "n")},
        "spec": {}, "status": {"attached": True, "attachmentMetadata": {"lun": "7"}},
    }  # fmt: skip
    world = World(tmp_path, attachment, attach=True)
    await world.set_up()
    assert world.endpoint.calls[0][1]["publish_context"] == {"lun": "7"}
    world.begin()
    world.reported.clear()
    await world.csi.adopt()
    assert world.reported == [{"kubernetes.io/csi/d^h"}]
    world.endpoint.fails = {"NodeUnstageVolume": RpcError("INTERNAL", "busy")}
    await world.csi.tear_down("p1")
    await world.csi.unstage_unused()
    assert world.reported[-1] == {"kubernetes.io/csi/d^h"}
    world.endpoint.fails = {}
    await world.csi.unstage_unused()
    assert world.reported[-1] == set()


async def test_a_secret_that_is_missing_is_named(world: World) -> None:
    with pytest.raises(MountError, match=r"fetching NodeStageSecretRef safe/key failed: .*not found"):
        await world.set_up(nodeStageSecretRef={"name": "key", "namespace": "safe"})
    assert world.endpoint.names == []


async def test_a_driver_that_is_not_there_is_named(world: World) -> None:
    world.csi.drivers._drivers.clear()
    why = "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name d not found in the list of registered CSI drivers"
    with pytest.raises(MountError, match=why):
        await world.set_up()
