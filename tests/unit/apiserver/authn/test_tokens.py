from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.authn import jwt
from pinnace.apiserver.authn.service_accounts import Binding, ServiceAccountTokens
from pinnace.apiserver.authn.static_tokens import StaticTokens
from pinnace.testing.certificates import TestAuthority
from pinnace.testing.fake_clock import FakeClock

ACCOUNT = {"metadata": {"name": "web", "namespace": "n", "uid": "u1"}}
ISSUER = "https://issuer"


class Objects(dict[tuple[str, str, str], Any]):
    async def find(self, gvr: GVR, namespace: str, name: str) -> Any:
        return self.get((gvr.resource, namespace, name))


@pytest.fixture
def objects() -> Objects:
    return Objects({("serviceaccounts", "n", "web"): ACCOUNT})


@pytest.fixture
def tokens(tmp_path: Path, fake_clock: FakeClock, objects: Objects) -> ServiceAccountTokens:
    return ServiceAccountTokens(
        TestAuthority(tmp_path).account_key, (ISSUER,), (ISSUER,), fake_clock, objects.find
    )


async def test_a_token_names_its_account(tokens: ServiceAccountTokens) -> None:
    token, _, _ = tokens.issue(ACCOUNT, (), 600, None)
    found = await tokens.review(token)
    assert found is not None
    user, audiences = found
    assert user.name == "system:serviceaccount:n:web"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:n")
    assert audiences == (ISSUER,)


async def test_a_token_expires(tokens: ServiceAccountTokens, fake_clock: FakeClock) -> None:
    token, _, _ = tokens.issue(ACCOUNT, (), 600, None)
    await fake_clock.advance(599)
    assert await tokens.review(token) is not None
    await fake_clock.advance(2)
    assert await tokens.review(token) is None


async def test_a_token_is_good_for_its_audience_only(tokens: ServiceAccountTokens) -> None:
    token, _, _ = tokens.issue(ACCOUNT, ("vault",), 600, None)
    assert await tokens.review(token) is None
    assert await tokens.review(token, ("vault", "other")) is not None


async def test_a_token_dies_with_its_account_and_its_pod(
    tokens: ServiceAccountTokens, objects: Objects, fake_clock: FakeClock
) -> None:
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u2"}}
    objects["pods", "n", "p"] = pod
    token, _, _ = tokens.issue(ACCOUNT, (), 600, Binding("pod", "p", "u2"))
    assert await tokens.review(token) is not None
    objects["pods", "n", "p"] = {"metadata": {**pod["metadata"], "deletionTimestamp": format_time(fake_clock.now() - timedelta(seconds=61))}}  # fmt: skip
    assert await tokens.review(token) is None
    objects["pods", "n", "p"] = {"metadata": {**pod["metadata"], "uid": "another"}}
    assert await tokens.review(token) is None
    del objects["pods", "n", "p"]
    assert await tokens.review(token) is None
    plain, _, _ = tokens.issue(ACCOUNT, (), 600, None)
    objects.clear()
    assert await tokens.review(plain) is None


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)]
)
def test_signatures(key: Any) -> None:
    token = jwt.sign({"a": 1}, key)
    keys = {jwt.key_id(key.public_key()): key.public_key()}
    assert jwt.verify(token, keys) == {"a": 1}
    head, body, signature = token.split(".")
    unsigned = jwt.encode_segment(b'{"alg":"none"}')
    for broken in (
        f"{head}.{jwt.encode_segment(b'{}')}.{signature}", f"{head}.{body}.AAAA", f"{head}.{body}.", "a.b.c", "",
        f"{unsigned}.{body}.{signature}", f"{token}.x",
    ):  # fmt: skip
        with pytest.raises(jwt.InvalidToken):
            jwt.verify(broken, keys)


def test_static_tokens_are_read_from_csv(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('secret,jane,7,"dev,ops"\nplain,joe,8\n')
    tokens = StaticTokens.load(file)
    jane = tokens.find("secret")
    assert jane is not None
    assert (jane.name, jane.uid, jane.groups) == ("jane", "7", ("dev", "ops"))
    assert tokens.find("other") is None
    file.write_text("secret,jane\n")
    with pytest.raises(ValueError, match=":1: need a token"):
        StaticTokens.load(file)
