"""Authentication and authorization over real TLS, with certificates of a CA made here."""

import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pinnace.kubelet.server.server import KubeletServer, serving_tls
from pinnace.kubelet.stats.provider import StatsProvider
from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.kubelet.edge_host import EdgeHost

NOW = datetime.datetime.now(datetime.UTC)


class Authority:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
        certificate = self._build(self._name, self._key).add_extension(
            x509.BasicConstraints(True, None), True
        )
        self.file = directory / "ca.crt"
        self.file.write_bytes(
            certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def _build(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(NOW - datetime.timedelta(hours=1))
            .not_valid_after(NOW + datetime.timedelta(hours=1))
        )  # fmt: skip

    def issue(self, name: str, *groups: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        signed = self._build(subject, key).add_extension(names, False).sign(self._key, hashes.SHA256())
        cert, private = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ))  # fmt: skip
        return cert, private


class Reviewer(FakeClient):
    """The API server: knows one token, and what each user may."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed: set[tuple[str, str, str]] = set()
        self.asked: list[tuple[str, str]] = []

    async def create(self, gvr: Any, body: Any, *args: Any, **options: Any) -> Any:
        spec = body["spec"]
        if gvr.resource == "tokenreviews":
            self.asked.append(("token", spec["token"]))
            user = {"username": "system:serviceaccount:default:web", "groups": ["system:serviceaccounts"]}
            return {"status": {"authenticated": spec["token"] == "good", "user": user}}
        attributes = spec["resourceAttributes"]
        assert (attributes["resource"], attributes["name"]) == ("nodes", "node-1")
        self.asked.append((spec["user"], f"{attributes['verb']} {attributes['subresource']}"))
        return {
            "status": {
                "allowed": (spec["user"], attributes["verb"], attributes["subresource"]) in self.allowed
            }
        }


class World:
    def __init__(self, directory: Path) -> None:
        self.authority, self.clock, self.reviewer = Authority(directory), FakeClock(), Reviewer()
        host = EdgeHost(directory)
        self.server = KubeletServer(
            host,  # type: ignore[arg-type]
            self.reviewer,
            self.clock,
            StatsProvider(host, self.clock),  # type: ignore[arg-type]
            tls=serving_tls(*self.authority.issue("node"), self.authority.file),
            bind_address="127.0.0.1",
        )

    async def get(
        self, path: str, *, user: tuple[str, ...] = (), token: str = "", method: str = "GET"
    ) -> tuple[int, str]:
        tls = ssl.create_default_context(cafile=str(self.authority.file))
        if user:
            tls.load_cert_chain(*self.authority.issue(*user))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"https://localhost:{self.server.port}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, ssl=tls, headers=headers) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.server.start()
    yield world
    await world.server.stop()


async def test_nobody_is_refused(world: World) -> None:
    assert await world.get("/healthz") == (401, "Unauthorized")
    assert await world.get("/healthz", token="bad") == (401, "Unauthorized")


async def test_a_certificate_names_user_and_groups_and_the_api_server_decides(world: World) -> None:
    world.reviewer.allowed = {("apiserver", "get", "proxy")}
    assert await world.get("/healthz", user=("apiserver", "system:masters")) == (200, "ok")
    assert world.reviewer.asked == [("apiserver", "get healthz"), ("apiserver", "get proxy")]


async def test_a_token_is_reviewed_and_a_refusal_says_what_was_asked(world: World) -> None:
    name = "system:serviceaccount:default:web"
    world.reviewer.allowed = {(name, "get", "metrics")}
    assert (await world.get("/metrics/resource", token="good"))[0] == 200
    assert await world.get("/run/a/b/c", token="good", method="POST") == (
        403,
        f"Forbidden (user={name}, verb=create, resource=nodes, subresource(s)=[proxy])",
    )


async def test_answers_are_remembered_for_a_while(world: World) -> None:
    world.reviewer.allowed = {("a", "get", "healthz")}
    for _ in range(3):
        await world.get("/healthz", user=("a",))
    assert len(world.reviewer.asked) == 1
    await world.clock.advance(301)
    await world.get("/healthz", user=("a",))
    assert len(world.reviewer.asked) == 2
