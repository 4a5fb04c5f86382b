"""Messages whose JSON is not an object of their fields: times, quantities, int-or-string, raw JSON, durations."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pinnace.apimachinery.protobuf import wire
from pinnace.apimachinery.times import parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ABSENT = object()  # the value was not set at all


def _numbers(data: memoryview) -> dict[int, Any]:
    return {number: value for number, _, value in wire.fields(data)}


def _time(data: memoryview, *, micro: bool) -> Any:
    if not len(data):
        return ABSENT
    found = _numbers(data)
    moment = EPOCH + timedelta(seconds=wire.signed(found.get(1, 0)), microseconds=found.get(2, 0) // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _time_bytes(value: str) -> bytes:
    moment = parse_time(value)
    seconds, rest = divmod(moment - EPOCH, timedelta(seconds=1))
    nanos = rest.microseconds * 1000
    return wire.tagged_varint(1, seconds) + (
        wire.tagged_varint(2, nanos) if nanos else wire.tagged_varint(2, 0)
    )


def _quantity(data: memoryview) -> Any:
    text = bytes(_numbers(data).get(1, b"")).decode()
    return text or ABSENT


def _int_or_string(data: memoryview) -> Any:
    found = _numbers(data)
    if found.get(1, 0) == 1:
        return bytes(found.get(3, b"")).decode()
    return wire.signed(found.get(2, 0))


def _int_or_string_bytes(value: str | int) -> bytes:
    if isinstance(value, str):
        return wire.tagged_varint(1, 1) + wire.tagged_varint(2, 0) + wire.tagged_bytes(3, value.encode())
    return wire.tagged_varint(1, 0) + wire.tagged_varint(2, value) + wire.tagged_bytes(3, b"")


def _raw_json(data: memoryview) -> Any:
    raw = bytes(_numbers(data).get(1, b""))
    return json.loads(raw) if raw else ABSENT


def _raw_json_bytes(value: Any) -> bytes:
    return wire.tagged_bytes(1, json.dumps(value, separators=(",", ":")).encode())


def _string_list(data: memoryview) -> list[str]:
    return [
        bytes(value).decode()
        for number, kind, value in wire.fields(data)
        if number == 1 and kind == wire.LENGTH and not isinstance(value, int)
    ]


def _duration(data: memoryview) -> str:
    """Go's time.Duration text of nanoseconds, in hours, minutes and seconds."""
    nanos = wire.signed(_numbers(data).get(1, 0))
    minutes, seconds = divmod(abs(nanos) / 1e9, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    if hours:
        text = f"{hours}h{text}"
    return f"-{text}" if nanos < 0 else text


DECODERS: dict[str, Callable[[memoryview], Any]] = {
    "meta.v1.Time": lambda data: _time(data, micro=False),
    "meta.v1.MicroTime": lambda data: _time(data, micro=True),
    "api.resource.Quantity": _quantity,
    "util.intstr.IntOrString": _int_or_string,
    "meta.v1.FieldsV1": _raw_json,
    "runtime.RawExtension": _raw_json,
    "apiextensions.v1.JSON": _raw_json,
    "authentication.v1.ExtraValue": _string_list,
    "authorization.v1.ExtraValue": _string_list,
    "certificates.v1.ExtraValue": _string_list,
    "meta.v1.Verbs": _string_list,
    "meta.v1.Duration": _duration,
}

ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "meta.v1.Time": _time_bytes,
    "meta.v1.MicroTime": _time_bytes,
    "api.resource.Quantity": lambda value: wire.tagged_bytes(1, str(value).encode()),
    "util.intstr.IntOrString": _int_or_string_bytes,
    "meta.v1.FieldsV1": _raw_json_bytes,
    "runtime.RawExtension": _raw_json_bytes,
    "apiextensions.v1.JSON": _raw_json_bytes,
    "authentication.v1.ExtraValue": lambda value: b"".join(
        wire.tagged_bytes(1, text.encode()) for text in value
    ),
    "authorization.v1.ExtraValue": lambda value: b"".join(
        wire.tagged_bytes(1, text.encode()) for text in value
    ),
    "certificates.v1.ExtraValue": lambda value: b"".join(
        wire.tagged_bytes(1, text.encode()) for text in value
    ),
}
