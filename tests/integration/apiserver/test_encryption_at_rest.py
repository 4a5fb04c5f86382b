"""Encryption at rest through a whole server on SQLite: what lies on the disk, what a client sees, a key that is wrong."""

import base64
import sqlite3
from pathlib import Path

import pytest
import yaml

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.store.sqlite import SqliteBackend
from pinnace.testing.api_server import ApiServerInProcess


def configuration(path: Path, fill: bytes) -> Path:
    key = {"name": "key1", "secret": base64.b64encode(fill * 32).decode()}
    entry = {"resources": ["secrets"], "providers": [{"aesgcm": {"keys": [key]}}, {"identity": {}}]}
    path.write_text(
        yaml.safe_dump(
            {"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1", "resources": [entry]}
        )
    )  # fmt: skip
    return path


async def test_secrets_lie_encrypted_on_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    right, wrong = configuration(tmp_path / "right", b"r"), configuration(tmp_path / "wrong", b"w")
    body = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": "s"},
        "stringData": {"k": "plain-text-value"},
    }
    encoded = base64.b64encode(b"plain-text-value")
    async with ApiServerInProcess(
        tmp_path / "a", backend=SqliteBackend(file), encryption_provider_config=right
    ) as api:
        client = api.rest_client()
        await client.create(r.SECRETS, body, "default")
        await client.patch(r.SECRETS, "s", {"metadata": {"labels": {"a": "b"}}}, "default")
        listed = await client.list(r.SECRETS, "default", label_selector="a=b")
        assert listed["items"][0]["data"] == {"k": encoded.decode()}
        watch = client.watch(r.SECRETS, "default", resource_version="0")
        assert (await anext(watch)).object["data"] == {"k": encoded.decode()}
    with sqlite3.connect(file) as database:
        values = [bytes(row[0] or b"") for row in database.execute("SELECT value FROM log")]
    assert any(value.startswith(b"k8s:enc:aesgcm:v1:key1:") for value in values)
    assert not any(encoded in value for value in values)
    async with ApiServerInProcess(
        tmp_path / "b", backend=SqliteBackend(file), encryption_provider_config=right
    ) as api:
        assert (await api.rest_client().get(r.SECRETS, "s", "default"))["data"] == {"k": encoded.decode()}
    async with ApiServerInProcess(
        tmp_path / "c", backend=SqliteBackend(file), encryption_provider_config=wrong
    ) as api:
        with pytest.raises(
            errors.InternalError, match='unable to transform key "/registry/secrets/default/s"'
        ):
            await api.rest_client().list(r.SECRETS)
        assert (await api.rest_client().list(r.CONFIG_MAPS, "default"))["items"] == []
