"""Certificates of a joined node: asked for by CertificateSigningRequest, kept on disk, made anew before they expire.

Rotation as upstream's kubelet has it: at a random time between 70 % and 90 % of the life, so that nodes do not ask together.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pinnace.api import conditions, meta
from pinnace.api.certificates import requests
from pinnace.api.meta import Object
from pinnace.api.resources import CERTIFICATE_SIGNING_REQUESTS
from pinnace.apimachinery.errors import StatusError
from pinnace.client.interface import Client
from pinnace.cluster.errors import UsageError
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    from cryptography import x509

log = logging.getLogger(__name__)

EARLIEST, LATEST = 0.7, 0.9
ANSWER_SECONDS, LOOK_SECONDS = (
    900.0,
    0.2,
)  # how long a request is waited for; the first pause between two looks
RETRY_SECONDS, LONGEST_RETRY = 2.0, 300.0


class Refused(UsageError):
    """A request that was denied, or that the signer will not sign."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What certificate: `names` are DNS names and addresses."""

    signer: str
    common_name: str
    organization: str
    usage: str  # client auth or server auth
    names: tuple[str, ...] = ()


def rotation_time(begin: datetime, end: datetime, fraction: float) -> datetime:
    """`fraction` is 0 to 1: where between the earliest and the latest moment."""
    return begin + (end - begin) * (EARLIEST + (LATEST - EARLIEST) * fraction)


class StoredCertificate:
    """One file with key and certificate, as `ssl` loads it; replaced in one step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> x509.Certificate | None:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        try:
            content = self.path.read_bytes()
            serialization.load_pem_private_key(content, None)
            return x509.load_pem_x509_certificate(content[content.index(b"-----BEGIN CERTIFICATE-----") :])
        except (OSError, ValueError):
            return None

    def save(self, key: bytes, certificate: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self.path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        temporary.write_bytes(key + certificate)
        temporary.replace(self.path)


def new_request(wish: Wish) -> tuple[bytes, bytes]:
    """A new key and the request signed with it, both PEM."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, wish.organization),
        x509.NameAttribute(NameOID.COMMON_NAME, wish.common_name),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if wish.names:
        found: list[x509.GeneralName] = []
        for name in wish.names:
            try:
                found.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                found.append(x509.DNSName(name))
        builder = builder.add_extension(x509.SubjectAlternativeName(found), critical=False)
    pem = serialization.Encoding.PEM
    key_text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key_text, builder.sign(key, hashes.SHA256()).public_bytes(pem)


async def obtain(client: Client, clock: Clock, wish: Wish, *, prefix: str = "csr-") -> tuple[bytes, bytes]:
    """Key and certificate, PEM. Raises Refused, what the API refuses, and TimeoutError when nobody decides."""
    key, text = new_request(wish)
    made = await client.create(CERTIFICATE_SIGNING_REQUESTS, {
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"generateName": prefix},
        "spec": {"request": base64.b64encode(text).decode(), "signerName": wish.signer, "usages": ["digital signature", wish.usage]},
    })  # fmt: skip
    name, end, pause = meta.name(made), clock.monotonic() + ANSWER_SECONDS, LOOK_SECONDS
    while clock.monotonic() < end:
        with contextlib.suppress(ConnectionError, TimeoutError):
            found = await client.get(CERTIFICATE_SIGNING_REQUESTS, name)
            if certificate := _decided(found):
                return key, base64.b64decode(certificate)
        await clock.sleep(pause)
        pause = min(pause * 1.5, 10.0)
    raise TimeoutError(
        f"nobody decided about the certificate request {name} within {ANSWER_SECONDS / 60:.0f} minutes"
    )


def _decided(csr: Object) -> str:
    """The certificate in base64; "" while there is none. Raises Refused."""
    status = csr.get("status") or {}
    for kind, verb in ((requests.DENIED, "denied"), (requests.FAILED, "not signed")):
        if (found := conditions.find(status.get("conditions"), kind)) is not None:
            raise Refused(
                f"certificate request {meta.name(csr)} was {verb}: {found.get('reason', '')}: {found.get('message', '')}"
            )
    return status.get("certificate") or ""


class NodeCertificate:
    """One certificate for as long as the agent runs. `wish` may change (addresses) and be None while it is not known."""

    def __init__(
        self, path: Path, clock: Clock, client: Callable[[], Client], wish: Callable[[], Wish | None],
        changed: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        self.stored = StoredCertificate(path)
        self._clock, self._client, self._wish, self._changed = clock, client, wish, changed
        self._random = random.Random()
        self._due: datetime | None = None
        self.ready = asyncio.Event()
        self.look_again = asyncio.Event()  # set when the wish may be another one
        self.rotations = 0

    async def run(self) -> None:
        """Until cancelled."""
        pause = RETRY_SECONDS
        while True:
            try:
                await self._ensure()
                pause = RETRY_SECONDS
                wait = (
                    max(1.0, (self._due - self._clock.now()).total_seconds()) if self._due else LONGEST_RETRY
                )
            except (StatusError, Refused, ConnectionError, TimeoutError, OSError) as error:
                log.warning(
                    "%s: no new certificate: %s; next attempt in %.0f s", self.stored.path.stem, error, pause
                )
                wait, pause = pause, min(pause * 2, LONGEST_RETRY)
            with contextlib.suppress(TimeoutError):
                await self._clock.wait_for(self.look_again.wait(), wait)
            self.look_again.clear()

    async def _ensure(self) -> None:
        wish = self._wish()
        if wish is None:
            return
        found, now = self.stored.load(), self._clock.now()
        if found is not None and is_good(found, wish, now):
            if self._due is None:
                begin, end = found.not_valid_before_utc, found.not_valid_after_utc
                self._due = rotation_time(begin, end, self._random.random())
                await self._tell()
            if now < self._due:
                return
        key, certificate = await obtain(self._client(), self._clock, wish)
        self.stored.save(key, certificate)
        made = self.stored.load()
        if made is None:
            raise Refused("what the signer gave is no certificate")
        self._due = rotation_time(now, made.not_valid_after_utc, self._random.random())
        self.rotations += 1
        log.info("%s: a new certificate, good until %s", self.stored.path.stem, made.not_valid_after_utc)
        await self._tell()

    async def _tell(self) -> None:
        await self._changed()
        self.ready.set()


def is_good(found: x509.Certificate, wish: Wish, now: datetime) -> bool:
    """It is valid now, and says what is wished for."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    if not found.not_valid_before_utc <= now < found.not_valid_after_utc:
        return False
    subject = [str(one.value) for one in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        have = {
            *names.get_values_for_type(x509.DNSName),
            *map(str, names.get_values_for_type(x509.IPAddress)),
        }
    except x509.ExtensionNotFound:
        have = set()
    return subject == [wish.common_name] and have == set(wish.names)
