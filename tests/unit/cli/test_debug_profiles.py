"""The profiles of `debug`: what each leaves of a copy, and gives a container."""

from typing import Any

import pytest

from pinnace.cli.commands.debug_profiles import PROFILES, Style, Target
from pinnace.cli.image_names import is_image_name


def applied(
    profile: str, style: Style, kept: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], dict[str, Any]]:
    container = {"name": "d", "livenessProbe": {}, "securityContext": {"privileged": False}}
    pod = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        "spec": {"containers": [container], "initContainers": [{"name": "i"}]},
    }
    PROFILES[profile](Target(pod, container, style, kept))
    return pod, container


@pytest.mark.parametrize("profile", ["general", "baseline", "restricted", "netadmin", "sysadmin"])
def test_a_copy_keeps_what_the_flags_say(profile: str) -> None:
    pod, container = applied(profile, "copy")
    assert pod["metadata"] == {}
    assert "initContainers" not in pod["spec"]
    assert pod["spec"]["shareProcessNamespace"] is True
    assert "livenessProbe" not in container
    pod, container = applied(
        profile, "copy", frozenset(["keep-labels", "keep-liveness", "keep-init-containers"])
    )
    assert pod["metadata"] == {"labels": {"a": "b"}}
    assert pod["spec"]["initContainers"]
    assert "livenessProbe" in container


def test_legacy_leaves_all_but_the_labels() -> None:
    pod, container = applied("legacy", "copy", frozenset(["keep-labels"]))
    assert pod["metadata"] == {"annotations": {"c": "d"}}
    assert "livenessProbe" in container


@pytest.mark.parametrize(
    ("profile", "on_host", "mounted"),
    [("legacy", True, True), ("general", True, True), ("baseline", False, False), ("restricted", False, False),
     ("netadmin", True, False), ("sysadmin", True, True)],
)  # fmt: skip
def test_on_a_node(profile: str, on_host: bool, mounted: bool) -> None:
    pod, container = applied(profile, "node")
    assert pod["spec"].get("hostPID", False) is on_host
    assert bool(container.get("volumeMounts")) is mounted


def test_rights_of_an_ephemeral_container() -> None:
    rights = {name: applied(name, "ephemeral")[1].get("securityContext") for name in PROFILES}
    assert rights["general"]["capabilities"] == {"add": ["SYS_PTRACE"]}
    assert rights["baseline"] is None
    assert rights["restricted"]["capabilities"] == {"drop": ["ALL"]}
    assert rights["netadmin"]["capabilities"] == {"add": ["NET_ADMIN", "NET_RAW"]}
    assert rights["sysadmin"]["privileged"] is True


@pytest.mark.parametrize(
    "text", ["busybox", "a/b:1", "host:5000/a/b@sha256:" + "a" * 64, "[::1]:80/a", "A.b/c"]
)
def test_names_of_images(text: str) -> None:
    assert is_image_name(text)


@pytest.mark.parametrize("text", ["", "UPPER", "a:", "a b", "a@sha256:1", "/a", "a//b", "a:-x"])
def test_what_names_no_image(text: str) -> None:
    assert not is_image_name(text)
