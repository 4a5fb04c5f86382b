"""Who has which device, without plugins."""

from pathlib import Path

import pytest

from pinnace.kubelet.devices.assignments import FILE, Access, Assignment, Assignments, choose
from pinnace.kubelet.devices.manager import refusal

GPU = "example.com/gpu"


def assigned(uid: str, *ids: str, container: str = "c") -> Assignment:
    access = Access(
        {"A": uid}, [{"container_path": "/x", "host_path": "/y", "readonly": True}], [], {}, ["x=y"]
    )
    return Assignment(uid, container, GPU, ids, access)


def test_assignments_are_read_again(tmp_path: Path) -> None:
    held = Assignments(tmp_path)
    held.put(assigned("a", "d0", "d1"))
    held.save({GPU: ["d0", "d1", "d2"]})
    again = Assignments(tmp_path)
    again.load()
    assert list(again) == list(held)
    assert again.known == {GPU: ["d0", "d1", "d2"]}
    (tmp_path / FILE).write_text("[]")
    broken = Assignments(tmp_path)
    broken.load()
    assert list(broken) == []


def test_devices_are_used_until_their_pod_is_gone(tmp_path: Path) -> None:
    held = Assignments(tmp_path)
    held.put(assigned("a", "d0"))
    held.put(assigned("b", "d1"))
    assert held.used(GPU) == {"d0", "d1"}
    held.drop(lambda uid: uid == "a")
    assert held.used(GPU) == {"d1"}
    assert held.of("b", "c")[0].ids == ("d1",)
    assert held.of("b", "other") == []


@pytest.mark.parametrize(
    ("needed", "free", "reusable", "preferred", "chosen"),
    [
        (1, ["b", "a"], [], [], ["a"]),
        (2, ["a", "b", "c"], ["z"], ["c"], ["z", "c"]),
        (2, ["a", "b"], [], ["gone", "b"], ["b", "a"]),
    ],
)
def test_devices_of_init_containers_are_used_again_and_preferences_count(
    needed: int, free: list[str], reusable: list[str], preferred: list[str], chosen: list[str]
) -> None:
    assert choose(needed, free, reusable, preferred) == chosen


def test_access_to_several_resources_adds_up() -> None:
    both = Access({"A": "1", "B": "1"}, cdi=["a"]).plus(Access({"B": "2"}, cdi=["b"]))
    assert (both.envs, both.cdi) == ({"A": "1", "B": "2"}, ["a", "b"])


def test_who_may_register() -> None:
    assert refusal("v1beta1", GPU) == ""
    expected = 'requested API version "v2" is not supported by kubelet. Supported version is "v1beta1"'
    assert refusal("v2", GPU) == expected
    for name in ("gpu", "kubernetes.io/gpu", "example.com/-x"):
        assert refusal("v1beta1", name) == f'the ResourceName "{name}" is invalid'
