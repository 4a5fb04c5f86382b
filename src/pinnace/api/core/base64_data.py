"""Maps of base64 text, in Secrets and ConfigMaps: checked when they are decoded, measured when they are validated."""

import binascii
from collections.abc import Mapping

MAX_SIZE = 1024 * 1024


def check(data: Mapping[str, str] | None) -> None:
    """Raise ValueError in upstream's words where a value is not base64."""
    for value in (data or {}).values():
        try:
            binascii.a2b_base64(value.replace("\n", "").replace("\r", ""), strict_mode=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"illegal base64 data at input byte {_position(value)}") from error


def _position(value: str) -> int:
    alphabet = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    bad = next((i for i, char in enumerate(value) if char not in alphabet), len(value))
    return min(bad, len(value) // 4 * 4) if bad == len(value) else bad


def decoded_size(value: str) -> int:
    return len(value) * 3 // 4 - value.count("=", -2)
