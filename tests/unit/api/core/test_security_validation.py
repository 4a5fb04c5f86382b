"""Security contexts: what is refused before a kubelet sees it."""

import pytest

from pinnace.api.core.security_validation import validate_container_security


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ({"seccompProfile": {"type": "Localhost", "localhostProfile": "../../etc/shadow"}}, "seccompProfile.localhostProfile"),
        ({"seccompProfile": {"type": "Localhost", "localhostProfile": "/etc/shadow"}}, "seccompProfile.localhostProfile"),
        ({"appArmorProfile": {}}, "appArmorProfile.type"),
        ({"appArmorProfile": {"type": "Strict"}}, "appArmorProfile.type"),
        ({"appArmorProfile": {"type": "Localhost"}}, "appArmorProfile.localhostProfile"),
        ({"appArmorProfile": {"type": "Unconfined", "localhostProfile": "x"}}, "appArmorProfile.localhostProfile"),
    ],
)  # fmt: skip
def test_wrong_profiles(context: dict, field: str) -> None:
    assert [cause.field for cause in validate_container_security(context, "c")] == [f"c.{field}"]


def test_profiles_below_the_directory_are_fine() -> None:
    context = {"seccompProfile": {"type": "Localhost", "localhostProfile": "a/b.json"}}
    assert not list(validate_container_security(context, "c"))
