"""Encryption at rest: values of chosen resources are sealed on their way to the store and opened on their way back.

A sealed value begins with a prefix that names provider and key, `k8s:enc:aesgcm:v1:key1:`, as upstream's does, so that a
store written by either can be read by the other. The first provider writes, all of them read. Leaves out kms.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pinnace.store.backend import StoreError

_PREFIX = b"k8s:enc:"
_BLOCK, _GCM_NONCE = 16, 12


class Undecryptable(StoreError):
    """A stored value that no configured key opens."""


class Provider(Protocol):
    """One key of one cipher. `place` is the key of the object in the store: a value moved elsewhere must not open."""

    prefix: bytes
    kind: str

    def seal(self, plain: bytes, place: bytes) -> bytes: ...

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Raises ValueError."""
        ...


class Identity:
    """Plain text: reads what was written before encryption was turned on."""

    prefix, kind = b"", "identity"

    def seal(self, plain: bytes, place: bytes) -> bytes:
        return plain

    def open(self, sealed: bytes, place: bytes) -> bytes:
        return sealed


class AesGcm:
    """AES in Galois counter mode with a random nonce; authenticates the place too."""

    kind = "AES-GCM"

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = _PREFIX + f"aesgcm:v1:{name}:".encode()
        self._secret = secret
        self._cipher: Any = None

    def _aead(self) -> Any:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._secret)
        return self._cipher

    def seal(self, plain: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_GCM_NONCE)
        return nonce + bytes(self._aead().encrypt(nonce, plain, place))

    def open(self, sealed: bytes, place: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return bytes(self._aead().decrypt(sealed[:_GCM_NONCE], sealed[_GCM_NONCE:], place))
        except InvalidTag:
            raise ValueError("cipher: message authentication failed") from None


class AesCbc:
    """AES in cipher block chaining mode, PKCS#7 padding, random initialization vector."""

    kind = "AES"

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = _PREFIX + f"aescbc:v1:{name}:".encode()
        self._secret = secret

    def _cipher(self, vector: bytes) -> Any:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        return Cipher(algorithms.AES(self._secret), modes.CBC(vector))

    def seal(self, plain: bytes, place: bytes) -> bytes:
        vector, padding = os.urandom(_BLOCK), _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher(vector).encryptor()
        return (
            vector + bytes(encryptor.update(plain + bytes([padding]) * padding)) + bytes(encryptor.finalize())
        )

    def open(self, sealed: bytes, place: bytes) -> bytes:
        if len(sealed) < 2 * _BLOCK or len(sealed) % _BLOCK:
            raise ValueError("the stored data is not a multiple of the block size")
        decryptor = self._cipher(sealed[:_BLOCK]).decryptor()
        padded = bytes(decryptor.update(sealed[_BLOCK:])) + bytes(decryptor.finalize())
        padding = padded[-1]
        if not 0 < padding <= _BLOCK or padded[-padding:] != bytes([padding]) * padding:
            raise ValueError("invalid PKCS7 data (empty or not padded)")
        return padded[:-padding]


class Secretbox:
    """XSalsa20 with Poly1305 and a random nonce, by PyNaCl (`cryptography` has no XSalsa20)."""

    kind = "Secretbox"

    def __init__(self, name: str, secret: bytes) -> None:
        self.prefix = _PREFIX + f"secretbox:v1:{name}:".encode()
        self._secret = secret
        self._box: Any = None

    def _opened(self) -> Any:
        if self._box is None:
            from nacl.secret import SecretBox

            self._box = SecretBox(self._secret)
        return self._box

    def seal(self, plain: bytes, place: bytes) -> bytes:
        return bytes(self._opened().encrypt(plain))  # the nonce comes first, as upstream puts it

    def open(self, sealed: bytes, place: bytes) -> bytes:
        from nacl.exceptions import CryptoError

        try:
            return bytes(self._opened().decrypt(sealed))
        except (CryptoError, ValueError):
            raise ValueError("secretbox: the value is damaged or was written with another key") from None


class Sealing:
    """What one resource's storage uses. `is_stale` knows the objects that another than the first key has written."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = tuple(providers)
        self._stale: set[str] = set()

    def seal(self, key: str, plain: bytes) -> bytes:
        first = self._providers[0]
        return first.prefix + first.seal(plain, key.encode())

    def open(self, key: str, value: bytes) -> bytes:
        """Raises Undecryptable."""
        problems = []
        for position, provider in enumerate(self._providers):
            if not _is_by(provider, value):
                continue
            try:
                plain = provider.open(value[len(provider.prefix) :], key.encode())
            except ValueError as error:
                problems.append(str(error))
                continue
            if position:
                self._stale.add(key)
            else:
                self._stale.discard(key)
            return plain
        why = ", ".join(problems) or _unmatched(value)
        raise Undecryptable(f'unable to transform key "{key}": {why}')

    def is_stale(self, key: str) -> bool:
        return key in self._stale


def _is_by(provider: Provider, value: bytes) -> bool:
    """Identity refuses what is sealed: its bytes are no object."""
    return value.startswith(provider.prefix) if provider.prefix else not value.startswith(_PREFIX)


def _unmatched(value: bytes) -> str:
    kinds = {b"aesgcm": "AES-GCM", b"aescbc": "AES-CBC", b"secretbox": "Secretbox", b"kms": "KMS"}
    cipher, _, rest = value.removeprefix(_PREFIX).partition(b":")
    if value.startswith(_PREFIX) and cipher in kinds:
        name = rest.removeprefix(b"v1:").partition(b":")[0].decode(errors="replace")
        return f"no matching key was found for the provided {kinds[cipher]} transformer (it was written with key {name!r})"
    return "no matching prefix found"


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the configuration: which resources, and with what."""

    resources: tuple[str, ...]
    providers: tuple[Provider, ...]

    def covers(self, resource: str, group: str) -> bool:
        qualified = f"{resource}.{group}" if group else resource
        return any(wanted in (qualified, f"*.{group}", "*.*") for wanted in self.resources)


@dataclass(frozen=True, slots=True)
class Encryption:
    """The first rule that covers a resource counts; resources that none covers are stored as they are."""

    rules: tuple[Rule, ...] = ()

    def sealing(self, resource: str, group: str) -> Sealing | None:
        for rule in self.rules:
            if rule.covers(resource, group):
                plain = len(rule.providers) == 1 and isinstance(rule.providers[0], Identity)
                return None if plain else Sealing(rule.providers)
        return None
