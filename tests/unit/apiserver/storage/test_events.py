"""Events and items are encoded once for all who ask, and forget it when told."""

import orjson

from pinnace.apimachinery.protobuf import codec
from pinnace.apiserver.storage.events import StorageEvent
from pinnace.apiserver.storage.item import Item

POD = {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "5", "name": "a"}}


def item() -> Item:
    raw = orjson.dumps(POD)
    return Item("/pods/a", raw, 5, namespace="", name="a", labels={}, fields={})


def test_a_protobuf_item_is_encoded_once_without_keeping_the_object() -> None:
    pod = item()
    assert pod.protobuf is pod.protobuf
    assert pod.protobuf == codec.encode_message(POD)
    assert pod._obj is None
    pod.release()
    assert pod._protobuf is None
    assert pod.protobuf == codec.encode_message(POD)


def test_an_event_is_encoded_once_in_each_form() -> None:
    event = StorageEvent("ADDED", item())
    assert event.line is event.line
    assert event.message("v1", "Pod") is event.message("v1", "Pod")
    assert event.message("v1", "Pod") == codec.encode_event("ADDED", codec.encode_object(POD))
    event.release()
    assert (event._line, event._message) == (None, None)


def test_a_restamped_item_has_bytes_of_its_own() -> None:
    pod = item()
    before = pod.protobuf
    after = pod.restamped(9)
    assert after.protobuf != before
    assert (
        codec.decode_object(codec.envelope("v1", "Pod", [after.protobuf]))["metadata"]["resourceVersion"]
        == "9"
    )
