"""Encryption at rest over a MemoryBackend: what lies in the store, what comes back, keys that change."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pinnace.api import meta
from pinnace.api.resources import BY_GVR, CONFIG_MAPS, SECRETS
from pinnace.apimachinery import errors
from pinnace.apiserver.config_files import ConfigFileError
from pinnace.apiserver.storage.encryption import Secretbox
from pinnace.apiserver.storage.encryption_config import load_encryption
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.object_storage import ObjectStorage
from pinnace.apiserver.storage.options import Outcome
from pinnace.apiserver.storage.storages import Storages
from pinnace.store.memory import MemoryBackend
from pinnace.testing.fake_clock import FakeClock

KEY = "/registry/secrets/default/s"


def labels(obj: Any) -> dict[str, str]:
    return {"metadata.name": meta.name(obj), "metadata.namespace": meta.namespace(obj)}


def key(name: str, size: int = 32, fill: bytes = b"k") -> dict[str, str]:
    return {"name": name, "secret": base64.b64encode(fill * size).decode()}


def configuration(tmp_path: Path, *providers: Any, resources: tuple[str, ...] = ("secrets",)) -> Path:
    path = tmp_path / "encryption.yaml"
    entry = {"resources": list(resources), "providers": list(providers)}
    path.write_text(
        yaml.safe_dump(
            {
                "kind": "EncryptionConfiguration",
                "apiVersion": "apiserver.config.k8s.io/v1",
                "resources": [entry],
            }
        )
    )
    return path


@pytest.fixture
async def backend() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend()
    await backend.open()
    yield backend
    await backend.close()


def storage(backend: MemoryBackend, path: Path | None, gvr: Any = SECRETS) -> ObjectStorage:
    encryption = load_encryption(path) if path else None
    return Storages(backend, FakeClock(), encryption=encryption).of(BY_GVR[gvr], labels)


def secret(**more: Any) -> dict[str, Any]:
    metadata = {"name": "s", "namespace": "default", "uid": "u"}
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": metadata,
        "data": {"password": "c2VjcmV0"},
        **more,
    }


async def stored(backend: MemoryBackend) -> bytes:
    (kv,) = (await backend.range(KEY, KEY + "\0")).kvs
    return kv.value


@pytest.mark.parametrize(
    ("cipher", "size"), [("aesgcm", 16), ("aesgcm", 32), ("aescbc", 32), ("secretbox", 32)]
)
async def test_the_store_holds_ciphertext_with_upstreams_prefix(
    backend: MemoryBackend, tmp_path: Path, cipher: str, size: int
) -> None:
    path = configuration(tmp_path, {cipher: {"keys": [key("key1", size)]}}, {"identity": {}})
    objects = storage(backend, path)
    await objects.create(secret())
    value = await stored(backend)
    assert value.startswith(f"k8s:enc:{cipher}:v1:key1:".encode())
    assert b"c2VjcmV0" not in value
    assert (await objects.get("s", "default")).obj["data"] == {"password": "c2VjcmV0"}
    again = storage(backend, path)
    assert (await again.get("s", "default")).obj["data"] == {"password": "c2VjcmV0"}


async def test_other_resources_stay_plain(backend: MemoryBackend, tmp_path: Path) -> None:
    path = configuration(tmp_path, {"aesgcm": {"keys": [key("key1")]}})
    objects = storage(backend, path, CONFIG_MAPS)
    metadata = {"name": "c", "namespace": "default"}
    await objects.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata})
    (kv,) = (await backend.range("/registry/configmaps/", "/registry/configmaps0")).kvs
    assert kv.value.startswith(b'{"kind":"ConfigMap"')


@pytest.mark.parametrize("wildcard", ["*.", "*.*"])
async def test_wildcards_cover_secrets(backend: MemoryBackend, tmp_path: Path, wildcard: str) -> None:
    path = configuration(tmp_path, {"aesgcm": {"keys": [key("key1")]}}, resources=(wildcard,))
    await storage(backend, path).create(secret())
    assert (await stored(backend)).startswith(b"k8s:enc:aesgcm:")


async def rewrite(objects: ObjectStorage) -> None:
    async def keep(item: Item) -> Outcome:
        return Outcome.KEEP

    await objects.update("s", "default", keep)


async def test_an_unchanged_write_takes_the_first_key(backend: MemoryBackend, tmp_path: Path) -> None:
    await storage(backend, None).create(secret())
    first = configuration(tmp_path, {"aesgcm": {"keys": [key("key1")]}}, {"identity": {}})
    await rewrite(storage(backend, first))
    assert (await stored(backend)).startswith(b"k8s:enc:aesgcm:v1:key1:")
    both = {"aesgcm": {"keys": [key("key2", fill=b"z"), key("key1")]}}
    rotated = storage(backend, configuration(tmp_path, both))
    await rewrite(rotated)
    before = await stored(backend)
    assert before.startswith(b"k8s:enc:aesgcm:v1:key2:")
    await rewrite(rotated)
    assert await stored(backend) == before, "what the first key wrote is not written again"
    back = storage(backend, configuration(tmp_path, {"identity": {}}, both))
    await rewrite(back)
    assert (await stored(backend)).startswith(b'{"kind":"Secret"')


@pytest.mark.parametrize(
    ("provider", "why"),
    [
        (
            {"aesgcm": {"keys": [key("other")]}},
            "no matching key was found for the provided AES-GCM transformer",
        ),
        ({"aesgcm": {"keys": [key("key1", fill=b"x")]}}, "cipher: message authentication failed"),
        ({"identity": {}}, "no matching"),
    ],
)
async def test_a_wrong_key_is_told(backend: MemoryBackend, tmp_path: Path, provider: Any, why: str) -> None:
    await storage(backend, configuration(tmp_path, {"aesgcm": {"keys": [key("key1")]}})).create(secret())
    spare = {"aesgcm": {"keys": [key("spare")]}}
    path = configuration(tmp_path, provider, spare)
    with pytest.raises(errors.InternalError, match="unable to transform key") as told:
        await storage(backend, path).get("s", "default")
    assert KEY in told.value.message
    assert why in told.value.message


async def test_a_value_moved_to_another_key_does_not_open(backend: MemoryBackend, tmp_path: Path) -> None:
    path = configuration(tmp_path, {"aesgcm": {"keys": [key("key1")]}})
    await storage(backend, path).create(secret())
    await backend.create("/registry/secrets/default/t", await stored(backend))
    with pytest.raises(errors.InternalError, match="message authentication failed"):
        await storage(backend, path).get("t", "default")


@pytest.mark.parametrize(
    ("provider", "why"),
    [
        ({"kms": {"name": "a"}}, "kms is not supported"),
        ({"secretbox": {"keys": [{"name": "a", "secret": "YWJj"}]}}, "not of the expected length, got 3"),
        ({"kms": {"name": "x"}}, "kms is not supported"),
        ({"aescbc": {"keys": [key("a", 5)]}}, "secret is not of the expected length, got 5, expected one of"),
        ({"aesgcm": {"keys": []}}, "resources[0].providers[0].aesgcm.keys: Required value"),
        ({"aesgcm": {"keys": [{"name": "a", "secret": "%"}]}}, "secret must be base64 encoded"),
        ({"rot13": {}}, 'Unsupported value: "rot13"'),
    ],
)
def test_a_configuration_that_cannot_be_used_names_the_field(tmp_path: Path, provider: Any, why: str) -> None:
    with pytest.raises(ConfigFileError) as refused:
        load_encryption(configuration(tmp_path, provider))
    assert why in str(refused.value)


def test_a_secretbox_opens_with_its_own_key_only() -> None:
    ours, other = Secretbox("a", b"k" * 32), Secretbox("a", b"x" * 32)
    sealed = ours.seal(b"word", b"/place")
    assert len(sealed) == 24 + 16 + len(b"word")  # nonce, authenticator, text
    assert ours.open(sealed, b"/place") == b"word"
    for box, value in ((other, sealed), (ours, sealed[:-1]), (ours, b""), (ours, bytes(40) + sealed)):
        with pytest.raises(ValueError, match="damaged or was written with another key"):
            box.open(value, b"/place")
