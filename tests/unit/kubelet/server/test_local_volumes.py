"""Directories of local volumes on the node: made, removed, and no others."""

from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from unit.kubelet.server.test_server import Kubelet, http, kubelet

__all__ = ["http", "kubelet"]


@pytest.fixture
def storage(kubelet: Kubelet, tmp_path: Path) -> Path:
    directory = tmp_path / "storage"
    kubelet.host.config = replace(kubelet.host.config, local_volumes=directory)
    return directory


async def ask(http: aiohttp.ClientSession, method: str, name: str) -> tuple[int, str]:
    async with http.request(method, f"/localVolumes/{name}") as answer:
        return answer.status, await answer.text()


async def test_a_directory_is_made_for_any_user_and_removed_with_all_in_it(
    http: aiohttp.ClientSession, storage: Path
) -> None:
    directory = storage / "pvc-1_default_data"
    for _ in range(2):
        assert await ask(http, "POST", directory.name) == (200, f'{{"path":"{directory}"}}')
        assert directory.stat().st_mode & 0o777 == 0o777
    (directory / "kept").mkdir()
    (directory / "kept" / "file").touch()
    for _ in range(2):
        assert (await ask(http, "DELETE", directory.name))[0] == 200
        assert not directory.exists()


@pytest.mark.parametrize(
    "name", ["other", "..", "pvc-", "pvc-..%2F..%2Fetc", "pvc-%00", "pvc-a%20b", f"pvc-{'x' * 252}"]
)
async def test_no_other_directory_is_touched(http: aiohttp.ClientSession, storage: Path, name: str) -> None:
    (storage / "other").mkdir(parents=True)
    for method in ("POST", "DELETE"):
        assert (await ask(http, method, name))[0] in (400, 404)
    assert [one.name for one in storage.iterdir()] == ["other"]


async def test_what_the_disk_refuses_is_told(http: aiohttp.ClientSession, storage: Path) -> None:
    storage.touch()
    status, text = await ask(http, "POST", "pvc-1")
    assert status == 500
    assert str(storage) in text


async def test_a_kubelet_without_such_volumes_has_no_such_page(http: aiohttp.ClientSession) -> None:
    assert await ask(http, "POST", "pvc-1") == (404, "404 page not found")
