"""Files from objects that change under a running pod, that come late, or go; and objects that may not change."""

import json
from typing import Any

import pytest

from e2e_support import IMAGE, Space, pod, until

S = "[sig-storage] "
N = " [NodeConformance] [Conformance]"
C = " [Conformance]"
SOON = 150.0  # the kubelet looks again every minute
Fields = dict[str, Any]


def sources(kind: str, name: str) -> Fields:
    optional = {"optional": True}
    return {
        "config-map": {"configMap": {"name": name, **optional}},
        "secret": {"secret": {"secretName": name, **optional}},
        "projected-config-map": {"projected": {"sources": [{"configMap": {"name": name, **optional}}]}},
        "projected-secret": {"projected": {"sources": [{"secret": {"name": name, **optional}}]}},
    }[kind]


def downward() -> dict[str, Fields]:
    items = [{"path": part, "fieldRef": {"fieldPath": f"metadata.{part}"}} for part in ("labels", "annotations")]  # fmt: skip
    return {
        "downward": {"downwardAPI": {"items": items}},
        "projected-downward": {"projected": {"sources": [{"downwardAPI": {"items": items}}]}},
    }


KINDS = ("config-map", "secret", "projected-config-map", "projected-secret")


def _object(kind: str, name: str, **fields: Any) -> Fields:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


@pytest.fixture(scope="module")
def living(place: Space) -> Space:
    """A pod with a volume of every sort, whose sources have all changed since it started."""
    for name in ("update", "delete"):
        place.apply(
            _object("ConfigMap", name, data={"key": "value-1"}),
            _object("Secret", name, stringData={"key": "value-1"}),
        )
    volumes = {f"{kind}-{name}": sources(kind, name) for kind in KINDS for name in ("create", "update", "delete")}  # fmt: skip
    volumes |= downward()
    mounts = [{"name": name, "mountPath": f"/v/{name}"} for name in volumes]
    listed = [{"name": name, **source} for name, source in volumes.items()]
    place.apply(pod("living", volumes=listed, container={"volumeMounts": mounts}))
    place.until_ready("living", within=60)
    before = files(place)
    assert {before[f"{kind}-{name}/key"] for kind in KINDS for name in ("update", "delete")} == {"value-1"}
    assert not any("create" in path for path in before)
    assert before["downward/labels"] == 'app="living"'
    change = {"update": "value-2", "create": "value-3"}
    for name, value in change.items():
        place.apply(
            _object("ConfigMap", name, data={"key": value}),
            _object("Secret", name, stringData={"key": value}),
        )
    place.kubectl("delete", "configmap/delete", "secret/delete")
    place.kubectl("label", "pod", "living", "tier=late")
    place.kubectl("annotate", "pod", "living", "builder=foo")
    return place


def files(place: Space) -> dict[str, str]:
    """Volume/file -> content, of all volumes of the pod."""
    script = 'cd /v; for f in */*; do [ -f "$f" ] && echo "== $f" && cat "$f" && echo; done; true'
    parts = place.out("exec", "living", "--", "sh", "-c", script).split("== ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            "config-map",
            marks=pytest.mark.conformance(S + "ConfigMap updates should be reflected in volume" + N),
        ),
        pytest.param(
            "projected-config-map",
            marks=pytest.mark.conformance(
                S + "Projected configMap updates should be reflected in volume" + N
            ),
        ),
    ],
)
def test_a_changed_value_arrives(living: Space, kind: str) -> None:
    until(lambda: files(living)[f"{kind}-update/key"] == "value-2", SOON, 1)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            "config-map",
            marks=pytest.mark.conformance(S + "ConfigMap optional updates should be reflected in volume" + N),
        ),
        pytest.param(
            "secret",
            marks=pytest.mark.conformance(S + "Secrets optional updates should be reflected in volume" + N),
        ),
        pytest.param(
            "projected-config-map",
            marks=pytest.mark.conformance(
                S + "Projected configMap optional updates should be reflected in volume" + N
            ),
        ),
        pytest.param(
            "projected-secret",
            marks=pytest.mark.conformance(
                S + "Projected secret optional updates should be reflected in volume" + N
            ),
        ),
    ],
)
def test_optional_sources_come_change_and_go(living: Space, kind: str) -> None:
    def arrived() -> bool:
        now = files(living)
        changed = (now.get(f"{kind}-create/key"), now.get(f"{kind}-update/key"))
        return changed == ("value-3", "value-2") and f"{kind}-delete/key" not in now

    until(arrived, SOON, 1)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        pytest.param(
            "downward/labels",
            'tier="late"',
            marks=pytest.mark.conformance(S + "Downward API volume should update labels on modification" + N),
        ),
        pytest.param(
            "downward/annotations",
            'builder="foo"',
            marks=pytest.mark.conformance(
                S + "Downward API volume should update annotations on modification" + N
            ),
        ),
        pytest.param(
            "projected-downward/labels",
            'tier="late"',
            marks=pytest.mark.conformance(
                S + "Projected downwardAPI should update labels on modification" + N
            ),
        ),
        pytest.param(
            "projected-downward/annotations",
            'builder="foo"',
            marks=pytest.mark.conformance(
                S + "Projected downwardAPI should update annotations on modification" + N
            ),
        ),
    ],
)
def test_the_pods_own_metadata_follow(living: Space, file: str, line: str) -> None:
    until(lambda: line in files(living)[file].splitlines(), SOON, 1)


@pytest.mark.conformance(S + "EmptyDir volumes pod should support shared volumes between containers" + C)
def test_containers_share_an_empty_directory(place: Space) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    writer = {"name": "writer", "image": IMAGE, "command": ["sh", "-c", "echo Hello from the other > /v/f; sleep 1000"], "volumeMounts": mounts}  # fmt: skip
    shared = pod("shared", volumes=[{"name": "v", "emptyDir": {}}], container={"volumeMounts": mounts}, terminationGracePeriodSeconds=0)  # fmt: skip
    shared["spec"]["containers"].append(writer)
    place.apply(shared)
    place.until_ready("shared")
    until(lambda: place.out("exec", "shared", "-c", "main", "--", "cat", "/v/f") == "Hello from the other\n")


@pytest.mark.conformance(
    S + "EmptyDir wrapper volumes should not cause race condition when used for configmaps [Serial]" + C
)
def test_fifty_config_maps_in_each_of_several_pods(place: Space) -> None:
    names = [f"racey-{number}" for number in range(50)]
    place.apply(*(_object("ConfigMap", name, data={"data-1": name}) for name in names))
    volumes = [{"name": name, "configMap": {"name": name}} for name in names]
    mounts = [{"name": name, "mountPath": f"/v/{name}"} for name in names]
    pods = [f"racey-pod-{number}" for number in range(3)]
    place.apply(
        *(
            pod(name, volumes=volumes, container={"volumeMounts": mounts}, terminationGracePeriodSeconds=0)
            for name in pods
        )
    )
    for name in pods:
        place.until_ready(name, within=90)
        assert len(place.out("exec", name, "--", "sh", "-c", "ls /v/*/data-1").split()) == len(names)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            "ConfigMap",
            marks=pytest.mark.conformance(
                S + "ConfigMap should be immutable if `immutable` field is set" + C
            ),
        ),
        pytest.param(
            "Secret",
            marks=pytest.mark.conformance(S + "Secrets should be immutable if `immutable` field is set" + C),
        ),
    ],
)
def test_what_is_immutable_stays(place: Space, kind: str) -> None:
    def change(**fields: Any) -> int:
        return place.kubectl("patch", kind, "fixed", "-p", json.dumps(fields), check=False).returncode

    place.apply(_object(kind, "fixed", data={"key": "b25l"}))
    assert change(data={"key": "dHdv"}) == 0
    assert change(immutable=True) == 0
    assert change(data={"key": "b25l"}) == 1
    assert change(immutable=False) == 1
    assert change(metadata={"labels": {"still": "allowed"}}) == 0
    place.kubectl("delete", kind, "fixed")
    assert place.kubectl("get", kind, "fixed", check=False).returncode == 1
