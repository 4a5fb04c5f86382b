"""Expired bootstrap tokens are deleted; cluster-info is signed."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

from pinnace.api.core.bootstrap_tokens import detached_jws
from pinnace.apimachinery.times import format_time
from pinnace.controllers.bootstrap_tokens import CLEANER, SIGNER, clean, sign
from pinnace.controllers.runtime import Delete, RequeueAfter, Update, World
from unit.controllers import builders
from unit.controllers.builders import NOW, Object


def token(identity: str = "abcdef", expires_in: float | None = None, **more: Any) -> Object:
    data = {
        "token-id": identity,
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-signing": "true",
        **more,
    }
    if expires_in is not None:
        data["expiration"] = format_time(NOW + timedelta(seconds=expires_in))
    obj = builders._named("Secret", "v1", f"bootstrap-token-{identity}", "kube-system")
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    return {**obj, "type": "bootstrap.kubernetes.io/token", "data": encoded}


def cluster_info(**data: str) -> Object:
    obj = builders.config_map("cluster-info", "kube-public")
    return {**obj, "data": {"kubeconfig": "apiVersion: v1\n", **data}}


def cleaned(secret: Object) -> list[Any]:
    return list(clean(secret, World.of([secret], NOW)))


def signed(info: Object, *secrets: Object) -> list[Any]:
    return list(sign(info, World.of([info, *secrets], NOW)))


def test_a_token_goes_when_its_time_is_up() -> None:
    expired, unreadable = token(expires_in=-1), token(expiration="tomorrow")
    assert cleaned(expired) == [Delete(expired)]
    assert cleaned(unreadable) == [Delete(unreadable)]
    assert cleaned(token(expires_in=60)) == [RequeueAfter(60.0)]
    assert cleaned(token()) == []


def test_other_secrets_are_left_alone() -> None:
    elsewhere = token(expires_in=-1)
    elsewhere["metadata"]["namespace"] = "default"
    other = {**token(expires_in=-1), "type": "Opaque"}
    assert cleaned(elsewhere) == cleaned(other) == []
    assert CLEANER.concerns is not None
    assert not CLEANER.concerns(None, other)


def test_every_token_that_may_sign_does() -> None:
    info = cluster_info()
    (update,) = signed(
        info, token(), token("fedcba", **{"usage-bootstrap-signing": "false"}), token("000000", -1)
    )
    assert isinstance(update, Update)
    assert set(update.obj["data"]) == {"kubeconfig", "jws-kubeconfig-abcdef"}
    header, payload, signature = update.obj["data"]["jws-kubeconfig-abcdef"].split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "HS256", "kid": "abcdef"}
    assert payload == ""
    text = f"{header}.{base64.urlsafe_b64encode(b'apiVersion: v1' + bytes([10])).decode().rstrip('=')}"
    expected = hmac.new(b"0123456789abcdef", text.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected


def test_signatures_of_tokens_that_are_gone_go_and_nothing_is_written_twice() -> None:
    (update,) = signed(cluster_info(**{"jws-kubeconfig-000000": "old"}), token())
    assert "jws-kubeconfig-000000" not in update.obj["data"]
    assert signed(update.obj, token()) == []
    _, again = signed(cluster_info(), token(expires_in=60))
    assert again == RequeueAfter(60.0)


def test_only_cluster_info_is_signed() -> None:
    other = {**cluster_info(), "metadata": {**cluster_info()["metadata"], "name": "other"}}
    assert signed(other, token()) == []
    empty = {**cluster_info(), "data": {}}
    assert signed(empty, token()) == []
    assert SIGNER.concerns is not None
    assert not SIGNER.concerns(None, other)


def test_a_signature_is_bound_to_content_token_and_key() -> None:
    first = detached_jws("a", "abcdef", "key")
    assert (
        len(
            {
                first,
                detached_jws("b", "abcdef", "key"),
                detached_jws("a", "fedcba", "key"),
                detached_jws("a", "abcdef", "other"),
            }
        )
        == 4
    )
