"""Arithmetic on resource lists: numbers while counting, canonical quantities when they are shown or stored."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from pinnace.apimachinery import quantity

Amounts = dict[str, Decimal]
ZERO, ONE = Decimal(0), Decimal(1)
_BYTES = ("memory", "storage", "hugepages-")


def parsed(texts: Mapping[str, str] | None) -> Amounts:
    return {name: quantity.parse(text) for name, text in (texts or {}).items()}


def text(name: str, value: Decimal) -> str:
    """Bytes in powers of two where they divide evenly, everything else in powers of ten."""
    is_binary = any(part in name for part in _BYTES) and value and value % 1024 == 0
    return quantity.format_quantity(value, "binary" if is_binary else "decimal")


def texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: text(name, amounts[name]) for name in sorted(amounts)}


def add(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> Amounts:
    total = dict(one)
    for name, value in other.items():
        total[name] = total.get(name, ZERO) + value
    return total


def less(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> Amounts:
    """`one` without `other`, never below nothing."""
    return {name: max(ZERO, value - other.get(name, ZERO)) for name, value in one.items()}


def only(amounts: Mapping[str, Decimal], names: Iterable[str]) -> Amounts:
    return {name: amounts[name] for name in names if name in amounts}


def shown(amounts: Mapping[str, Decimal]) -> str:
    """`cpu=1,pods=2` in alphabetical order, as messages have it."""
    return ",".join(f"{name}={value}" for name, value in texts(amounts).items())
