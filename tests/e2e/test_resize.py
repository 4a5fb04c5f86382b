"""Resizing with kubectl, on a whole cluster."""

import json

import pytest

from e2e_support import OURS, VERSIONS, Space, pod, until

RESIZERS = [
    version for version in VERSIONS if version == OURS or tuple(map(int, version.split("."))) >= (1, 32)
]


@pytest.mark.parametrize("version", RESIZERS)
def test_patch_and_edit_resize_a_running_pod(space: Space, version: str) -> None:
    resources = {"requests": {"cpu": "20m"}, "limits": {"cpu": "40m"}}
    space.apply(pod("web", "sleep 3600", container={"resources": resources}))
    space.until_ready("web")
    change = json.dumps(
        {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "30m"}}}]}}
    )
    told = space.out("patch", "pod", "web", "--subresource", "resize", "--patch", change, version=version)
    assert told == "pod/web patched\n"
    status = "{.status.containerStatuses[0].resources}"

    def shown() -> object:
        return json.loads(space.out("get", "pod", "web", "-o", f"jsonpath={status}"))

    until(lambda: shown() == {"requests": {"cpu": "30m"}, "limits": {"cpu": "40m"}})
    editor = {"KUBE_EDITOR": "sed -i s/40m/60m/"}
    told = space.out("edit", "pod", "web", "--subresource", "resize", version=version, env=editor)
    assert told == "pod/web edited\n"
    until(lambda: shown() == {"requests": {"cpu": "30m"}, "limits": {"cpu": "60m"}})
    text = until(lambda: _with(space.out("describe", "pod", "web"), "ResizeCompleted"))
    assert "Pod resize completed: " in text
    assert space.out("get", "pod", "web", "-o", "jsonpath={.status.containerStatuses[0].restartCount}") == "0"


def _with(text: str, part: str) -> str:
    return text if part in text else ""
