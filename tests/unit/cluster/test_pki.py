import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pinnace.cluster.pki import DAYS_LEAF, Leaf, Pki, cluster_leaves

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SERVER = Leaf("server", "kube-apiserver", names=("kubernetes", "127.0.0.1", "::1"), server=True)
ADMIN = Leaf("admin", "kubernetes-admin", ("system:masters",), client=True)


def made(directory: Path, *leaves: Leaf, now: datetime = NOW) -> Pki:
    pki = Pki(directory, now)
    pki.ensure(list(leaves))
    return pki


def loaded(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_leaves_are_signed_by_the_ca_and_say_who_and_what_for(tmp_path: Path) -> None:
    pki = made(tmp_path, SERVER, ADMIN)
    ca, server, admin = loaded(pki.ca), loaded(pki.cert("server")), loaded(pki.cert("admin"))
    server.verify_directly_issued_by(ca)
    admin.verify_directly_issued_by(ca)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    usage = admin.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    (group,) = admin.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert group.value == "system:masters"
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_files_serve_tls_and_keys_are_private(tmp_path: Path) -> None:
    pki = made(tmp_path / "pki", SERVER)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pki.cert("server"), pki.key("server"))
    for key in (pki.key("ca"), pki.key("server"), pki.service_account_key):
        assert key.stat().st_mode & 0o777 == 0o600
    assert pki.directory.stat().st_mode & 0o777 == 0o700
    assert isinstance(loaded(pki.cert("server")).public_key(), ec.EllipticCurvePublicKey)


def test_nothing_is_made_twice(tmp_path: Path) -> None:
    pki = made(tmp_path, SERVER)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert Pki(tmp_path, NOW).ensure([SERVER]) is False
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert pki.ca in before


@pytest.mark.parametrize(
    ("leaf", "now"),
    [
        (Leaf("server", "kube-apiserver", names=("kubernetes", "10.0.0.1"), server=True), NOW),
        (SERVER, NOW + timedelta(days=DAYS_LEAF - 59)),
    ],
)
def test_a_changed_or_expiring_leaf_is_made_again_by_the_same_ca(
    tmp_path: Path, leaf: Leaf, now: datetime
) -> None:
    pki = made(tmp_path, SERVER, ADMIN)
    ca, server = pki.ca.read_bytes(), pki.cert("server").read_bytes()
    assert Pki(tmp_path, now).ensure([leaf]) is True
    assert pki.ca.read_bytes() == ca
    assert pki.cert("server").read_bytes() != server


@pytest.mark.parametrize("lost", ["server.key", "server.crt", "index.json"])
def test_a_lost_or_damaged_file_is_made_again(tmp_path: Path, lost: str) -> None:
    pki = made(tmp_path, SERVER)
    (tmp_path / lost).unlink()
    assert Pki(tmp_path, NOW).ensure([SERVER]) is True
    loaded(pki.cert("server")).verify_directly_issued_by(loaded(pki.ca))
    (tmp_path / "index.json").write_text("{")
    assert Pki(tmp_path, NOW).ensure([SERVER]) is True


def test_a_new_ca_signs_everything_again(tmp_path: Path) -> None:
    pki = made(tmp_path, SERVER, ADMIN)
    pki.ca.unlink()
    assert Pki(tmp_path, NOW).ensure([SERVER, ADMIN]) is True
    for leaf in ("server", "admin"):
        loaded(pki.cert(leaf)).verify_directly_issued_by(loaded(pki.ca))


def test_a_cluster_has_the_identities_that_its_parts_use() -> None:
    leaves = {
        leaf.file: leaf
        for leaf in cluster_leaves(
            service_ip="10.43.0.1", domain="cluster.local", addresses=["192.0.2.7"], node_name="n1", node_ips=("192.0.2.7",)
        )
    }  # fmt: skip
    assert {"10.43.0.1", "192.0.2.7", "localhost", "kubernetes.default.svc.cluster.local"} <= set(
        leaves["apiserver"].names
    )
    assert leaves["admin"].organizations == ("system:masters",)
    assert leaves["kubelet-client"].common_name == "system:node:n1"
    assert leaves["kubelet-client"].organizations == ("system:nodes",)
    assert "192.0.2.7" in leaves["kubelet-server"].names
