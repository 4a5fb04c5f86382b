"""Reading bodies: JSON, YAML or protobuf bytes into a private object. Malformed input is a 400 that says where."""

from typing import Any

import orjson

from pinnace.apimachinery import errors
from pinnace.apimachinery.protobuf.codec import MEDIA_TYPE as PROTOBUF
from pinnace.apimachinery.protobuf.codec import ProtobufError
from pinnace.apimachinery.protobuf.codec import decode_object as decode_protobuf
from pinnace.apiserver.negotiation import JSON, YAML

Object = dict[str, Any]
OBJECT_TYPES = (JSON, YAML, PROTOBUF)


def decode(body: bytes, media: str) -> Any:
    if media == PROTOBUF:
        try:
            return decode_protobuf(body)
        except ProtobufError as error:
            raise errors.BadRequest(str(error)) from error
    return decode_yaml(body) if media.endswith("yaml") else decode_json(body)


def decode_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.BadRequest(f"couldn't get version/kind; json parse error: {error}") from error


def decode_yaml(body: bytes) -> Any:
    """One YAML document; JSON is tried first because most "YAML" on the wire is JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    from pinnace.apiserver import yaml_bodies

    return yaml_bodies.decode(body)


def decode_object(body: bytes, media: str) -> Object:
    """An object of any kind; raises BadRequest unless it is a JSON object with sane metadata."""
    if not body:
        raise errors.BadRequest("the request body is empty")
    value = decode(body, media)
    if not isinstance(value, dict):
        raise errors.BadRequest(
            f"couldn't get version/kind; json parse error: cannot unmarshal {json_type(value)} into an object"
        )
    check_metadata_types(value)
    return value


def json_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case None:
            return "null"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
    return "object"


_STRINGS = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
)


def check_metadata_types(obj: Object) -> None:
    """The part of every object that the server itself reads must have the right types."""
    for field in ("kind", "apiVersion"):
        if not isinstance(obj.get(field, ""), str):
            raise errors.BadRequest(f"couldn't get version/kind; json parse error: {field} must be a string")
    metadata = obj.get("metadata")
    if metadata is None:
        obj["metadata"] = {}
        return
    if not isinstance(metadata, dict):
        raise _wrong_type("metadata", metadata, "ObjectMeta")
    for field in _STRINGS:
        value = metadata.get(field, "")
        if value is None:
            del metadata[field]
        elif not isinstance(value, str):
            raise _wrong_type(f"metadata.{field}", value, "string")
    _check_maps(metadata)
    _check_lists(metadata)


def _check_maps(metadata: Object) -> None:
    for field in ("labels", "annotations"):
        value = metadata.get(field)
        if value is None:
            metadata.pop(field, None)
            continue
        if not isinstance(value, dict):
            raise _wrong_type(f"metadata.{field}", value, "map[string]string")
        for item in value.values():
            if not isinstance(item, str):
                raise _wrong_type(f"metadata.{field}", item, "string")


def _check_lists(metadata: Object) -> None:
    for field, item_type in (("finalizers", str), ("ownerReferences", dict), ("managedFields", dict)):
        value = metadata.get(field)
        if value is None:
            metadata.pop(field, None)
            continue
        if not isinstance(value, list):
            raise _wrong_type(f"metadata.{field}", value, f"[]{item_type.__name__}")
        for item in value:
            if not isinstance(item, item_type):
                raise _wrong_type(f"metadata.{field}", item, item_type.__name__)


def _wrong_type(path: str, value: Any, wanted: str) -> errors.BadRequest:
    return errors.BadRequest(
        f"json: cannot unmarshal {json_type(value)} into Go struct field ObjectMeta.{path} of type {wanted}"
    )


def encode_yaml(body: bytes) -> bytes:
    """JSON bytes as YAML."""
    from pinnace.apiserver import yaml_bodies

    return yaml_bodies.encode(body)
