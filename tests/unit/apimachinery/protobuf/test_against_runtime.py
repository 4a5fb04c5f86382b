"""Our encoders and decoders against the protobuf runtime, over objects made from the table.

Maps have one entry here: the runtime's deterministic order of keys is not Go's.
"""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.apimachinery.protobuf import codec, table
from properties import examples
from protobuf_descriptors import message_class

MESSAGES = sorted(table._lines())
KINDS = [name for name in MESSAGES if "metadata=1" in table._lines()[name]]
DEEPEST = 3
INT64 = st.integers(-(2**63), 2**63 - 1).filter(bool)
DECODED_LAST = {"runtime.RawExtension", "meta.v1.FieldsV1", "apiextensions.v1.JSON"}
TIMES = st.datetimes()
STRINGS = st.lists(st.text(max_size=5), min_size=1, max_size=3)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "s": st.text(min_size=1, max_size=200),
    "i": INT64 | st.integers(1, 200),
    "b": st.just(True),
    "y": st.binary(min_size=1, max_size=20).map(lambda raw: base64.b64encode(raw).decode()),
    "d": st.floats(allow_nan=False, allow_infinity=False).filter(bool),
    "meta.v1.Time": TIMES.map(lambda t: t.replace(microsecond=0).isoformat() + "Z"),
    "meta.v1.MicroTime": TIMES.map(lambda t: t.isoformat(timespec="microseconds") + "Z"),
    "meta.v1.Duration": st.sampled_from(["1s", "1m30s", "2h0m1.5s", "-3s"]),
    "meta.v1.Verbs": STRINGS,
    "api.resource.Quantity": st.sampled_from(["100m", "1", "-2", "1500Mi", "300e18", "0"]),
    "util.intstr.IntOrString": st.integers(-(2**31), 2**31 - 1).filter(bool) | st.sampled_from(["", "25%"]),
    **{f"{group}.v1.ExtraValue": STRINGS for group in ("authentication", "authorization", "certificates")},
    **dict.fromkeys(
        DECODED_LAST,
        st.dictionaries(st.text(max_size=5), st.integers(0, 9) | st.text(max_size=5), max_size=3),
    ),
}


def objects(name: str, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    known = table.message(name)
    assert known

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        made: dict[str, Any] = {}
        wanted = draw(st.sets(st.sampled_from(known.fields), max_size=6)) if known.fields else ()
        for field in wanted:
            if field.kind not in VALUES and depth == DEEPEST:
                continue
            value = VALUES[field.kind] if field.kind in VALUES else objects(field.kind, depth + 1)
            if field.is_inline:
                made |= {key: found for key, found in draw(value).items() if key not in made}
            elif field.shape == "map":
                made[field.name] = draw(st.dictionaries(st.text(max_size=8), value, min_size=1, max_size=1))
            elif field.shape == "list":
                made[field.name] = draw(st.lists(value, min_size=1, max_size=3))
            else:
                made[field.name] = draw(value)
        return made

    return build()


@given(st.data())
@examples(40)
def test_the_runtime_reads_what_we_write_and_writes_the_same_bytes(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(KINDS))
    obj = data.draw(objects(name))
    known = table.message(name)
    assert known
    ours = codec.encode(known, obj)
    theirs = message_class(name).FromString(ours).SerializeToString(deterministic=True)
    assert theirs == ours
    assert codec.decode(known, theirs) == obj


def test_every_kind_is_written_and_read() -> None:
    for name in KINDS:
        known = table.message(name)
        assert known
        obj = {"metadata": {"resourceVersion": "5"}}
        ours = codec.encode(known, obj)
        assert message_class(name).FromString(ours).metadata.resourceVersion == "5", name
        assert codec.decode(known, ours) == obj, name


def test_fields_stand_in_the_order_of_their_numbers() -> None:
    for name in MESSAGES:
        known = table.message(name)
        assert known
        numbers = [field.number for field in known.fields]
        assert numbers == sorted(numbers), name


def read(name: str, obj: dict[str, Any]) -> Any:
    known = table.message(name)
    assert known
    return message_class(name).FromString(codec.encode(known, obj))


def test_zero_and_empty_values_in_the_object_are_written() -> None:
    spec = read("core.v1.PodSpec", {"terminationGracePeriodSeconds": 0, "hostNetwork": False, "nodeName": ""})
    assert spec.HasField("terminationGracePeriodSeconds")
    assert spec.HasField("hostNetwork")
    assert spec.HasField("nodeName")
    assert not spec.HasField("priority")
    volume = read("core.v1.Volume", {"name": "v", "emptyDir": {}})
    assert volume.volumeSource.HasField("emptyDir")


def test_empty_maps_and_lists_and_nulls_write_nothing() -> None:
    known = table.message("meta.v1.ObjectMeta")
    assert known
    nothing = {"labels": {}, "finalizers": [], "creationTimestamp": None, "unknown": 1}
    assert codec.encode(known, nothing) == b""
    assert codec.encode(known, {"labels": {"a": None, "b": "c"}, "finalizers": [None, "x"]}) == codec.encode(
        known, {"labels": {"b": "c"}, "finalizers": ["x"]}
    )


def test_a_negative_number_takes_ten_bytes() -> None:
    known = table.message("autoscaling.v1.ScaleSpec")
    assert known
    assert codec.encode(known, {"replicas": -1}) == b"\x08" + b"\xff" * 9 + b"\x01"


def test_map_entries_are_in_the_order_of_their_keys() -> None:
    known = table.message("core.v1.ConfigMap")
    assert known
    assert codec.encode(known, {"data": {"b": "2", "a": "1"}}) == codec.encode(
        known, {"data": {"a": "1", "b": "2"}}
    )


def test_special_messages_as_go_lays_them_out() -> None:
    meta = read(
        "meta.v1.ObjectMeta",
        {
            "creationTimestamp": "2026-01-02T03:04:05.999Z",
            "managedFields": [{"fieldsV1": {"f:spec": {"f:x": {}}}}],
        },
    )
    assert (meta.creationTimestamp.seconds, meta.creationTimestamp.nanos) == (1767323045, 0)
    assert meta.managedFields[0].fieldsV1.Raw == b'{"f:spec":{"f:x":{}}}'
    lease = read("coordination.v1.LeaseSpec", {"renewTime": "2026-01-02T03:04:05.000007Z"})
    assert (lease.renewTime.seconds, lease.renewTime.nanos) == (1767323045, 7000)
    port = read("core.v1.ServicePort", {"targetPort": "http"})
    assert (port.targetPort.type, port.targetPort.intVal, port.targetPort.strVal) == (1, 0, "http")
    resources = read("core.v1.ResourceRequirements", {"limits": {"cpu": 0.5, "memory": "1024Mi"}})
    assert {name: quantity.string for name, quantity in resources.limits.items()} == {
        "cpu": "500m",
        "memory": "1Gi",
    }
    assert read("core.v1.Secret", {"data": {"k": "AAE="}}).data["k"] == b"\0\1"


def test_an_envelope_a_list_and_an_event() -> None:
    pods = [{"metadata": {"name": name}} for name in ("a", "b")]
    known = table.message("core.v1.Pod")
    assert known
    body = codec.encode_list(
        "v1", "PodList", {"resourceVersion": "7"}, [codec.encode(known, p) for p in pods]
    )
    unknown = message_class("runtime.Unknown").FromString(body[4:])
    assert (unknown.typeMeta.apiVersion, unknown.typeMeta.kind) == ("v1", "PodList")
    assert unknown.HasField("contentType")
    found = message_class("core.v1.PodList").FromString(unknown.raw)
    assert found.metadata.resourceVersion == "7"
    assert [pod.metadata.name for pod in found.items] == ["a", "b"]
    event = message_class("meta.v1.WatchEvent").FromString(codec.encode_event("ADDED", body))
    assert (event.type, event.object.raw) == ("ADDED", body)
    assert codec.frame(b"x" * 258)[:4] == b"\0\0\1\2"


def test_a_value_of_the_wrong_type_is_told() -> None:
    with pytest.raises(codec.ProtobufError, match=r"core\.v1\.Pod"):
        codec.encode_object({"kind": "Pod", "apiVersion": "v1", "spec": {"priority": "high"}})


@pytest.mark.parametrize(
    "message",
    [
        b"\x0a\x7f",  # longer than what follows
        b"\x0a",  # ends in a length
        b"\x0d\0\0\0\0",  # metadata as a fixed number
        b"\x08\x01",  # metadata as a number
        b"\x0a\x05\x42\x03\x08\xff\xff",  # a number that runs over the end of its message
        b"\x0a\x0d\x42\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x10",  # a time in a far future
    ],
)
def test_bad_messages_are_refused(message: bytes) -> None:
    with pytest.raises(codec.ProtobufError):
        codec.decode_object(codec.envelope("v1", "Pod", [message]))
