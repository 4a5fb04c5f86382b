"""What a condition must say."""

import pytest

from pinnace.api.condition_validation import validate_conditions

SOUND = {"type": "Ready", "status": "True", "reason": "Good", "lastTransitionTime": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"status": "Maybe"}, 'status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"'),
        ({"reason": ""}, "reason: Required value: must be set"),
        ({"lastTransitionTime": None}, "lastTransitionTime: Required value: must be set"),
        ({"observedGeneration": -1}, "observedGeneration: Invalid value: -1: must be greater than or equal to zero"),
        ({"message": "x" * 40_000}, "message: Too long: may not be more than 32768 bytes"),
    ],
)  # fmt: skip
def test_one_condition(change, expected):
    found = [f"{cause.field}: {cause.message}" for cause in validate_conditions([{**SOUND, **change}], "c")]
    assert found == ([f"c[0].{expected}"] if expected else [])


def test_reasons_are_words_and_types_are_said_once():
    (cause,) = validate_conditions([{**SOUND, "reason": "not good"}], "c")
    assert cause.message.startswith('Invalid value: "not good": a condition reason must start with')
    (cause,) = validate_conditions([SOUND, SOUND], "c")
    assert (cause.field, cause.message) == ("c[1].type", 'Duplicate value: "Ready"')
