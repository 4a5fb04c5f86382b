import base64
from datetime import timedelta
from typing import Any

import pytest

from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.authn.bootstrap_tokens import BootstrapTokens
from pinnace.testing.fake_clock import FakeClock

TOKEN = "abcdef.0123456789abcdef"
GOOD = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}


def tokens(
    clock: FakeClock, data: dict[str, str], kind: str = "bootstrap.kubernetes.io/token"
) -> BootstrapTokens:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    secret = {"metadata": {"name": "bootstrap-token-abcdef"}, "type": kind, "data": encoded}

    async def lookup(gvr: GVR, namespace: str, name: str) -> Any:
        found = (gvr.resource, namespace, name) == ("secrets", "kube-system", "bootstrap-token-abcdef")
        return secret if found else None

    return BootstrapTokens(lookup, clock, ("api",))


async def test_a_good_token_is_a_bootstrapper(fake_clock: FakeClock) -> None:
    extra = {"auth-extra-groups": "system:bootstrappers:workers,system:bootstrappers:b"}
    found = await tokens(fake_clock, {**GOOD, **extra}).review(TOKEN)
    assert found is not None
    user, audiences = found
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups == ("system:bootstrappers", "system:bootstrappers:b", "system:bootstrappers:workers")
    assert audiences == ("api",)


@pytest.mark.parametrize(
    "change",
    [
        {"usage-bootstrap-authentication": "false"},
        {"token-secret": "0123456789abcdeg"},
        {"token-id": "abcdeg"},
        {"auth-extra-groups": "system:masters"},
        {"expiration": "not a time"},
    ],
)
async def test_others_are_refused(fake_clock: FakeClock, change: dict[str, str]) -> None:
    assert await tokens(fake_clock, {**GOOD, **change}).review(TOKEN) is None


@pytest.mark.parametrize("token", ["abcdef.0123456789abcde", "ABCDEF.0123456789abcdef", "abcdef", "x" * 23])
async def test_what_is_no_bootstrap_token_is_not_looked_up(fake_clock: FakeClock, token: str) -> None:
    assert await tokens(fake_clock, GOOD).review(token) is None


async def test_the_type_of_the_secret_counts(fake_clock: FakeClock) -> None:
    assert await tokens(fake_clock, GOOD, "Opaque").review(TOKEN) is None


async def test_a_token_ends_when_its_time_has_come(fake_clock: FakeClock) -> None:
    until = format_time(fake_clock.now() + timedelta(minutes=1))
    found = tokens(fake_clock, {**GOOD, "expiration": until})
    assert await found.review(TOKEN) is not None
    await fake_clock.advance(61)
    assert await found.review(TOKEN) is None


async def test_audiences_of_others_are_not_served(fake_clock: FakeClock) -> None:
    assert await tokens(fake_clock, GOOD).review(TOKEN, ("vault",)) is None
