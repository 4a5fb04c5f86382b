"""What makes a machine trust a cluster, and what it says when it does not."""

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pinnace.api.core import bootstrap_tokens
from pinnace.cluster import discovery, joining
from pinnace.cluster.discovery import JoinError
from pinnace.testing.certificates import TestAuthority

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def ca(tmp_path: Path) -> str:
    return TestAuthority(tmp_path).ca.read_text()


def test_a_pinned_ca_is_taken_and_another_refused(ca: str) -> None:
    discovery.check_pin(ca, ())
    discovery.check_pin(ca, (f"sha256:{'0' * 64}", joining.ca_hash(ca)))
    with pytest.raises(JoinError, match="this is another cluster"):
        discovery.check_pin(ca, (f"sha256:{'0' * 64}",))


def test_the_hash_is_of_the_public_key_as_openssl_has_it(ca: str) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = (
        x509.load_pem_x509_certificate(ca.encode())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    assert joining.ca_hash(ca) == "sha256:" + hashlib.sha256(der).hexdigest()


def test_clocks_far_apart_are_named() -> None:
    discovery.check_clock("Thu, 01 Jan 2026 12:04:00 GMT", NOW)
    discovery.check_clock("", NOW)
    discovery.check_clock("nonsense", NOW)
    with pytest.raises(JoinError, match="60 minutes apart"):
        discovery.check_clock("Thu, 01 Jan 2026 13:00:00 GMT", NOW)


def test_a_signature_with_another_key_or_of_another_text_does_not_count() -> None:
    jws = bootstrap_tokens.detached_jws("text", "abcdef", "key")
    assert bootstrap_tokens.is_signed("text", jws, "key")
    assert not bootstrap_tokens.is_signed("text", jws, "other")
    assert not bootstrap_tokens.is_signed("another text", jws, "key")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    assert not bootstrap_tokens.is_signed("text", f"{none}..", "key")
    assert not bootstrap_tokens.is_signed("text", "nonsense", "key")


@pytest.mark.parametrize(
    ("code", "text"),
    [(9, "clocks"), (10, "clocks"), (62, "--tls-san"), (64, "--tls-san"), (20, "not of the cluster's CA")],
)
def test_what_is_wrong_with_a_certificate_is_said_with_what_to_type(code: int, text: str) -> None:
    error = ValueError("x")
    error.verify_code = code  # type: ignore[attr-defined]
    assert text in discovery.certificate_problem("https://s:1", error)


def test_join_command_and_cluster_info_belong_together(ca: str) -> None:
    line = joining.join_command("https://s:6443", "abcdef.0123456789abcdef", ca)
    assert line.startswith(
        "pinnace agent --server https://s:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash sha256:"
    )
    assert discovery._ca_of(joining.cluster_info("https://s:6443", ca), "https://s:6443") == ca
    with pytest.raises(JoinError, match="cannot be used"):
        discovery._ca_of("{}", "https://s:6443")
