import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery.protobuf import codec, table, wire

POD = {
    "kind": "Pod", "apiVersion": "v1",
    "metadata": {"name": "web", "labels": {"a": "b"}, "creationTimestamp": "2026-01-02T03:04:05Z",
                 "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}]},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "x", "defaultMode": 420}}],
        "containers": [{
            "name": "c", "image": "i", "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "100m"}},
            "securityContext": {"runAsUser": 0, "privileged": False},
            "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "k"}}}],
            "livenessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
        }],
    },
}  # fmt: skip


def test_an_object_comes_back_as_it_was() -> None:
    assert codec.decode_object(codec.encode_object(POD)) == POD


@pytest.mark.parametrize(
    "obj",
    [
        {"kind": "Secret", "apiVersion": "v1", "data": {"p": "cGFzcw=="}, "type": "Opaque"},
        {
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "spec": {"renewTime": "2026-01-02T03:04:05.123456Z"},
        },
        {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "spec": {"replicas": 0, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}},
        },
        {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0},
        {
            "kind": "Eviction",
            "apiVersion": "policy/v1",
            "metadata": {"name": "p"},
            "deleteOptions": {"gracePeriodSeconds": 3},
        },
        {
            "kind": "SubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"extra": {"k": ["a", "b"]}},
        },
        {
            "kind": "ControllerRevision",
            "apiVersion": "apps/v1",
            "data": {"spec": {"x": [1, 2]}},
            "revision": 3,
        },
    ],
)
def test_special_shapes(obj: dict) -> None:
    assert codec.decode_object(codec.encode_object(obj)).items() >= obj.items()


def test_zero_values_that_go_writes_by_itself_are_dropped() -> None:
    spec = (
        wire.tagged_bytes(3, b"") + wire.tagged_varint(11, 0) + wire.tagged_varint(4, 0)
    )  # restartPolicy, hostNetwork, grace
    pod = wire.tagged_bytes(1, wire.tagged_bytes(1, b"n") + wire.tagged_bytes(8, b"")) + wire.tagged_bytes(
        2, spec
    )
    known = table.message("core.v1.Pod")
    assert known
    assert codec.decode(known, pod) == {
        "metadata": {"name": "n"},
        "spec": {"terminationGracePeriodSeconds": 0},
    }


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_decoded_but_never_crashes(data: bytes) -> None:
    envelope = (
        codec.MAGIC
        + wire.tagged_bytes(1, wire.tagged_bytes(1, b"v1") + wire.tagged_bytes(2, b"Pod"))
        + wire.tagged_bytes(2, data)
    )
    for body in (data, codec.MAGIC + data, envelope):
        try:
            codec.decode_object(body)
        except codec.ProtobufError:
            continue


def test_every_line_of_the_table_is_whole() -> None:
    for name in table._lines():
        known = table.message(name)
        assert known
        assert all(field.is_scalar or table.message(field.kind) for field in known.fields), name


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(codec.ProtobufError, match='no kind "Nope" is registered for version "v1"'):
        codec.encode_object({"kind": "Nope", "apiVersion": "v1"})
