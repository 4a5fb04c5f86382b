"""ConfigMaps: keys, size, immutability."""

from pinnace.api import fields, names
from pinnace.api.core import base64_data
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

FROZEN = "field is immutable when `immutable` is set"


class ConfigMapStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        base64_data.check(obj.get("binaryData"))

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + _validate_data(obj)

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        return found + validate_frozen(new, old, ("data", "binaryData")) + _validate_data(new)


def validate_frozen(new: Object, old: Object, parts: tuple[str, ...]) -> list[Cause]:
    """What a set `immutable` forbids; of ConfigMaps and Secrets."""
    if not old.get("immutable"):
        return []
    found = [] if new.get("immutable") else [fields.forbidden("immutable", FROZEN)]
    return found + [
        fields.forbidden(part, FROZEN) for part in parts if (new.get(part) or {}) != (old.get(part) or {})
    ]


def _validate_data(obj: Object) -> list[Cause]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    found: list[Cause] = []
    size = 0
    for key, value in data.items():
        found += fields.all_invalid(fields.key("data", key), key, names.config_key(key))
        if key in binary:
            found.append(
                fields.invalid(fields.key("data", key), key, "duplicate of key present in binaryData")
            )
        size += len(value) if value.isascii() else len(value.encode())
    for key, value in binary.items():
        found += fields.all_invalid(fields.key("binaryData", key), key, names.config_key(key))
        if key in data:
            found.append(
                fields.invalid(fields.key("binaryData", key), key, "duplicate of key present in data")
            )
        size += base64_data.decoded_size(value)
    if size > base64_data.MAX_SIZE:
        found.append(fields.too_long("[]", base64_data.MAX_SIZE))
    return found
