"""Stored and served bytes are the same but for the resource version."""

import orjson
import pytest

from pinnace.apiserver.storage import codec, continuation
from pinnace.apiserver.storage.continuation import Continuation
from pinnace.apiserver.storage.keys import KeySpace, ObjectKey

TRICKY = {
    "spec": {"metadata": {"name": "inner"}},
    "metadata": {"labels": {"k": '"metadata":{'}, "name": "a", "resourceVersion": "7", "selfLink": "/x"},
    "kind": "Pod",
    "apiVersion": "v1",
    "extra": None,
}


def test_resource_version_is_spliced_in_and_out() -> None:
    stored = codec.dumps(codec.laid_out(TRICKY))
    assert b"resourceVersion" not in stored
    served = codec.stamp(stored, 12)
    metadata = {"resourceVersion": "12", "labels": {"k": '"metadata":{'}, "name": "a"}
    assert orjson.loads(served) == {**TRICKY, "metadata": metadata}
    assert codec.unstamp(served) == stored
    assert codec.restamp(served, 345) == codec.stamp(stored, 345)


def test_served_bytes_decode_and_encode_to_themselves() -> None:
    served = codec.stamp(codec.dumps(codec.laid_out(TRICKY)), 12)
    assert orjson.dumps(codec.decode(served)) == served
    assert codec.dumps(codec.laid_out(codec.decode(served))) == codec.unstamp(served)


def test_encoding_leaves_the_object_alone() -> None:
    before = orjson.dumps(TRICKY)
    codec.dumps(codec.laid_out(TRICKY))
    assert orjson.dumps(TRICKY) == before


@pytest.mark.parametrize(("namespaced", "key"), [(True, "/registry/pods/ns/a"), (False, "/registry/pods/a")])
def test_keys_are_laid_out_as_upstream_does(namespaced: bool, key: str) -> None:
    keys = KeySpace.of("pods", namespaced=namespaced)
    assert keys.key("a", "ns") == key
    assert keys.split(key) == ObjectKey("ns" if namespaced else "", "a")


def test_continue_token_is_what_upstream_would_send() -> None:
    token = Continuation(55, "default/a\0").encode()
    assert token == "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NTUsInN0YXJ0IjoiZGVmYXVsdC9hXHUwMDAwIn0"
    assert continuation.decode(token) == Continuation(55, "default/a\0")
