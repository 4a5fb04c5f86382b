"""Values that may be absent. `or`, `orValue` and `?.` are planned by the evaluator where they must not evaluate everything."""

from typing import Any

from pinnace.apimachinery.cel.errors import EvaluationError
from pinnace.apimachinery.cel.functions import Row
from pinnace.apimachinery.cel.values import NONE, Duration, Optional, Timestamp


def value_of(optional: Optional) -> Any:
    if not optional.present:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def is_zero(value: Any) -> bool:
    if isinstance(value, Timestamp):
        return False
    return value.nanos == 0 if isinstance(value, Duration) else value is None or value in ("", 0, b"", [], {})


ROWS: tuple[Row, ...] = (
    ("optional.of", "optional_of", "(V) -> optional(V)", lambda value: Optional(value, True)),
    (
        "optional.ofNonZeroValue",
        "optional_ofNonZeroValue",
        "(V) -> optional(V)",
        lambda value: NONE if is_zero(value) else Optional(value, True),
    ),
    ("optional.none", "optional_none", "() -> optional(V)", lambda: NONE),
    ("value", "optional_value", "optional(V).() -> V", value_of),
    ("hasValue", "optional_hasValue", "optional(V).() -> bool", lambda optional: optional.present),
    (
        "or",
        "optional_or_optional",
        "optional(V).(optional(V)) -> optional(V)",
        lambda a, b: a if a.present else b,
    ),
    ("orValue", "optional_orValue_value", "optional(V).(V) -> V", lambda a, b: a.value if a.present else b),
)
