"""Resource quantities: `100m`, `1.5Gi`, `2e3`, parsed exactly and written in canonical form.

Grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import ROUND_UP, Context, Decimal

from pinnace.apimachinery.short_cache import short_cache

_PATTERN = re.compile(
    r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?", re.ASCII
)
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_NAMES = {power: suffix for suffix, power in _DECIMAL.items()}
_NANO = Decimal("1e-9")
_EXACT = Context(prec=80)
_LARGEST_BINARY = Decimal(2**63 - 1)
_MOST_DIGITS = 60

ERROR = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


@short_cache(8192)
def parse(text: str | int | float) -> Decimal:
    """The exact value, rounded up to a nano as upstream does; raises ValueError with upstream's message."""
    match = _PATTERN.fullmatch(str(text))
    if not match:
        raise ValueError(ERROR)
    number, suffix = Decimal(match[1]), match[2] or ""
    if len(suffix) > 4:
        raise ValueError(ERROR)
    if suffix in _BINARY:
        value = _EXACT.multiply(number, Decimal(1024 ** _BINARY[suffix]))
    else:
        power = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
        if abs(power) > 40:
            raise ValueError(ERROR)
        value = number.scaleb(power, _EXACT)
    if suffix in _BINARY:
        value = max(-_LARGEST_BINARY, min(_LARGEST_BINARY, value))  # upstream caps these only
    elif value.adjusted() > _MOST_DIGITS:
        raise ValueError(ERROR)  # upstream computes with any number of digits
    needs_rounding = value != value.quantize(_NANO, context=_EXACT)
    return value.quantize(_NANO, rounding=ROUND_UP, context=_EXACT) if needs_rounding else value


def milli(text: str | int | float) -> int:
    """Thousandths, rounded up: cpu `0.1` -> 100."""
    return int(parse(text).scaleb(3, _EXACT).to_integral_value(rounding=ROUND_UP))


def whole(text: str | int | float) -> int:
    """The integer value, rounded up: memory `1Ki` -> 1024."""
    return int(parse(text).to_integral_value(rounding=ROUND_UP))


def _format_of(text: str) -> str:
    match = _PATTERN.fullmatch(text)
    suffix = (match[2] or "") if match else ""
    if suffix in _BINARY:
        return "binary"
    return "exponent" if suffix[:1] in ("e", "E") and suffix != "E" else "decimal"


def canonical(text: str | int | float) -> str:
    """Upstream's canonical text of the same value, keeping the suffix family: `1024Mi` -> `1Gi`, `0.5` -> `500m`."""
    source = str(text)
    return format_quantity(parse(source), _format_of(source))


def format_quantity(value: Decimal | int, family: str = "decimal") -> str:
    """Write with the largest suffix that leaves an integer. family: decimal, binary, exponent."""
    value = Decimal(value)
    if value == 0:
        return "0"
    if family == "binary":
        if value == value.to_integral_value() and abs(value) >= 1024:
            number, power = int(value), 0
            while number % 1024 == 0 and power < 6:
                number, power = number // 1024, power + 1
            suffix = next((name for name, p in _BINARY.items() if p == power), "")
            return f"{number}{suffix}"
        family = "decimal"
    for power in range(18, -12, -3):
        scaled = value.scaleb(-power, _EXACT)
        if scaled == scaled.to_integral_value():
            if family == "exponent":
                return f"{int(scaled)}e{power}" if power else str(int(scaled))
            return f"{int(scaled)}{_DECIMAL_NAMES[power]}"
    return str(value)
