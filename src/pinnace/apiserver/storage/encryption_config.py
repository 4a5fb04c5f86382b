"""Reads `--encryption-provider-config`: apiserver.config.k8s.io/v1 EncryptionConfiguration."""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pinnace.apiserver.config_files import ConfigFileError, load_config_file
from pinnace.apiserver.storage.encryption import (
    AesCbc,
    AesGcm,
    Encryption,
    Identity,
    Provider,
    Rule,
    Secretbox,
)

_GROUP_VERSIONS = ("apiserver.config.k8s.io/v1",)
_CIPHERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "aesgcm": (AesGcm, (16, 24, 32)),
    "aescbc": (AesCbc, (32,)),
    "secretbox": (Secretbox, (32,)),
}
_REFUSED = {
    "kms": "kms is not supported: use secretbox, aesgcm or aescbc",
}


def load_encryption(path: Path) -> Encryption:
    """Raises ConfigFileError naming the field."""
    content = load_config_file(path, "EncryptionConfiguration", _GROUP_VERSIONS)
    rules = []
    entries = content.get("resources")
    if not isinstance(entries, list) or not entries:
        raise ConfigFileError(path, "resources: Required value: at least one resource must be specified")
    for number, entry in enumerate(entries):
        where = f"resources[{number}]"
        rules.append(_rule(path, where, entry if isinstance(entry, dict) else {}))
    return Encryption(tuple(rules))


def _rule(path: Path, where: str, entry: dict[str, Any]) -> Rule:
    names, given = entry.get("resources") or [], entry.get("providers") or []
    if not names:
        raise ConfigFileError(
            path, f"{where}.resources: Required value: at least one resource must be specified"
        )
    for name in names:
        if not isinstance(name, str) or name == "*" or "/" in name or name != name.lower():
            why = (
                "use '*.' for the core API group or '*.*' for all resources"
                if name == "*"
                else "not a resource"
            )
            raise ConfigFileError(path, f'{where}.resources: Invalid value: "{name}": {why}')
    if not given:
        raise ConfigFileError(
            path, f"{where}.providers: Required value: at least one provider must be specified"
        )
    providers: list[Provider] = []
    for number, provider in enumerate(given):
        providers += _providers(path, f"{where}.providers[{number}]", provider)
    # "*." stands for the core group, whose name is empty
    return Rule(tuple(names), tuple(providers))


def _providers(path: Path, where: str, entry: Any) -> Iterator[Provider]:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise ConfigFileError(path, f"{where}: Invalid value: exactly one provider must be given per entry")
    kind, body = next(iter(entry.items()))
    if kind in _REFUSED:
        raise ConfigFileError(path, f"{where}.{kind}: {_REFUSED[kind]}")
    if kind == "identity":
        yield Identity()
        return
    if kind not in _CIPHERS:
        raise ConfigFileError(path, f'{where}: Unsupported value: "{kind}"')
    make, sizes = _CIPHERS[kind]
    keys = (body or {}).get("keys") or []
    if not keys:
        raise ConfigFileError(
            path, f"{where}.{kind}.keys: Required value: at least one key must be specified"
        )
    names = set()
    for number, key in enumerate(keys):
        at = f"{where}.{kind}.keys[{number}]"
        name, secret = str(key.get("name") or ""), _secret(path, at, key.get("secret"), sizes)
        if not name or ":" in name or name in names:
            raise ConfigFileError(
                path, f'{at}.name: Invalid value: "{name}": must be there, unique and without ":"'
            )
        names.add(name)
        yield make(name, secret)


def _secret(path: Path, where: str, text: Any, sizes: tuple[int, ...]) -> bytes:
    if not isinstance(text, str) or not text:
        raise ConfigFileError(path, f"{where}.secret: Required value: secret")
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigFileError(
            path, f'{where}.secret: Invalid value: "REDACTED": secret must be base64 encoded'
        ) from None
    if len(secret) not in sizes:
        allowed = " ".join(map(str, sizes))
        raise ConfigFileError(
            path,
            f'{where}.secret: Invalid value: "REDACTED": secret is not of the expected length, got {len(secret)}, '
            f"expected one of [{allowed}]",
        )
    return secret
