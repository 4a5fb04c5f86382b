"""Messages whose JSON is not an object of their fields: times, quantities, int-or-string, raw JSON, durations.

Times and quantities repeat a lot within and between objects, so the newest conversions are remembered.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from pinnace.apimachinery import quantity
from pinnace.apimachinery.protobuf import wire
from pinnace.apimachinery.times import parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ABSENT = object()  # the value was not set at all
REMEMBERED = 4096
_UNIT_NANOS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION_PART = re.compile(r"(\d+)(?:\.(\d*))?(ns|us|µs|ms|s|m|h)")


def _numbers(data: bytes) -> dict[int, Any]:
    return {number: value for number, _, value in wire.fields(data)}


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise wire.WireError("bytes where a number was expected")
    return wire.signed(value)


def _raw(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise wire.WireError("a number where bytes were expected")
    return value


@lru_cache(REMEMBERED)
def _time(data: bytes) -> Any:
    moment = _moment(data)
    return ABSENT if moment is None else f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}Z"


@lru_cache(REMEMBERED)
def _micro_time(data: bytes) -> Any:
    moment = _moment(data)
    return ABSENT if moment is None else f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _moment(data: bytes) -> datetime | None:
    if not data:
        return None
    found = _numbers(data)
    try:
        since = timedelta(seconds=_number(found.get(1, 0)), microseconds=_number(found.get(2, 0)) // 1000)
        return EPOCH + since
    except OverflowError as error:
        raise wire.WireError("a time outside of the years 1 to 9999") from error


@lru_cache(REMEMBERED)
def _time_bytes(text: str) -> bytes:
    """Whole seconds: a fraction would be a change that clients of JSON cannot see."""
    seconds = (parse_time(text) - EPOCH) // timedelta(seconds=1)
    return wire.tagged_varint(1, seconds) + wire.tagged_varint(2, 0)


@lru_cache(REMEMBERED)
def _micro_time_bytes(text: str) -> bytes:
    seconds, rest = divmod(parse_time(text) - EPOCH, timedelta(seconds=1))
    return wire.tagged_varint(1, seconds) + wire.tagged_varint(2, rest.microseconds * 1000)


@lru_cache(REMEMBERED)
def _quantity(data: bytes) -> Any:
    text = _raw(_numbers(data).get(1, b"")).decode()
    return text or ABSENT


@lru_cache(REMEMBERED, typed=True)
def _quantity_bytes(value: str | float) -> bytes:
    return wire.tagged_bytes(1, quantity.canonical(value).encode())


def _int_or_string(data: bytes) -> Any:
    found = _numbers(data)
    if found.get(1, 0) == 1:
        return _raw(found.get(3, b"")).decode()
    return _number(found.get(2, 0))


def _int_or_string_bytes(value: str | int) -> bytes:
    if isinstance(value, str):
        return wire.tagged_varint(1, 1) + wire.tagged_varint(2, 0) + wire.tagged_bytes(3, value.encode())
    return wire.tagged_varint(1, 0) + wire.tagged_varint(2, value) + wire.tagged_bytes(3, b"")


def _raw_json(data: bytes) -> Any:
    raw = _raw(_numbers(data).get(1, b""))
    try:
        return orjson.loads(raw) if raw else ABSENT
    except orjson.JSONDecodeError as error:
        raise wire.WireError(f"raw JSON: {error}") from error


def _raw_json_bytes(value: Any) -> bytes:
    return wire.tagged_bytes(1, orjson.dumps(value))


def _string_list(data: bytes) -> list[str]:
    return [_raw(value).decode() for number, _, value in wire.fields(data) if number == 1]


def _string_list_bytes(values: list[str]) -> bytes:
    return b"".join([wire.tagged_bytes(1, text.encode()) for text in values])


def _duration(data: bytes) -> str:
    """Go's time.Duration text of nanoseconds, in hours, minutes and seconds."""
    nanos = _number(_numbers(data).get(1, 0))
    minutes, seconds = divmod(abs(nanos) / 1e9, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    if hours:
        text = f"{hours}h{text}"
    return f"-{text}" if nanos < 0 else text


def _duration_bytes(text: str) -> bytes:
    parts = _DURATION_PART.findall(text)
    nanos = sum(
        _UNIT_NANOS[unit] * int(whole + fraction) // 10 ** len(fraction) for whole, fraction, unit in parts
    )
    return wire.tagged_varint(1, -nanos if text.startswith("-") else nanos)


_SCHEMA = "apiextensions.v1.JSONSchemaProps"


def _schema(data: bytes) -> Any:
    from pinnace.apimachinery.protobuf.decoders import decoder_of

    return decoder_of(_SCHEMA)(data, 0, len(data))


def _schema_bytes(number: int, value: Any) -> bytes:
    from pinnace.apimachinery.protobuf.encoders import encoder_of

    return wire.tagged_bytes(number, encoder_of(_SCHEMA)(value))


def _schema_or_bool(data: bytes) -> Any:
    found = _numbers(data)
    return _schema(_raw(found[2])) if 2 in found else bool(_number(found.get(1, 0)))


def _schema_or_bool_bytes(value: Any) -> bytes:
    if isinstance(value, bool):
        return wire.tagged_varint(1, int(value))
    return wire.tagged_varint(1, 1) + _schema_bytes(2, value)


def _schema_or_list(data: bytes) -> Any:
    found = [(number, _schema(_raw(value))) for number, _, value in wire.fields(data)]
    one = [schema for number, schema in found if number == 1]
    return one[0] if one else [schema for number, schema in found if number == 2]


def _schema_or_list_bytes(value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join([_schema_bytes(2, schema) for schema in value])
    return _schema_bytes(1, value)


def _schema_or_strings(data: bytes) -> Any:
    found = _numbers(data)
    if 1 in found:
        return _schema(_raw(found[1]))
    return [_raw(value).decode() for number, _, value in wire.fields(data) if number == 2]


def _schema_or_strings_bytes(value: Any) -> bytes:
    if isinstance(value, list):
        return b"".join([wire.tagged_bytes(2, text.encode()) for text in value])
    return _schema_bytes(1, value)


Decoder = Callable[[bytes], Any]
Encoder = Callable[[Any], bytes]
_SPECIAL: dict[str, tuple[Decoder, Encoder]] = {
    "meta.v1.Time": (_time, _time_bytes),
    "meta.v1.MicroTime": (_micro_time, _micro_time_bytes),
    "api.resource.Quantity": (_quantity, _quantity_bytes),
    "util.intstr.IntOrString": (_int_or_string, _int_or_string_bytes),
    "meta.v1.FieldsV1": (_raw_json, _raw_json_bytes),
    "runtime.RawExtension": (_raw_json, _raw_json_bytes),
    "apiextensions.v1.JSON": (_raw_json, _raw_json_bytes),
    "apiextensions.v1.JSONSchemaPropsOrBool": (_schema_or_bool, _schema_or_bool_bytes),
    "apiextensions.v1.JSONSchemaPropsOrArray": (_schema_or_list, _schema_or_list_bytes),
    "apiextensions.v1.JSONSchemaPropsOrStringArray": (_schema_or_strings, _schema_or_strings_bytes),
    "authentication.v1.ExtraValue": (_string_list, _string_list_bytes),
    "authorization.v1.ExtraValue": (_string_list, _string_list_bytes),
    "certificates.v1.ExtraValue": (_string_list, _string_list_bytes),
    "meta.v1.Verbs": (_string_list, _string_list_bytes),
    "meta.v1.Duration": (_duration, _duration_bytes),
}
DECODERS = {name: decode for name, (decode, _) in _SPECIAL.items()}
ENCODERS = {name: encode for name, (_, encode) in _SPECIAL.items()}
