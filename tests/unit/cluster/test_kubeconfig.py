from pathlib import Path

import pytest
import yaml

from pinnace.cluster import kubeconfig
from pinnace.cluster.errors import UsageError

OURS = kubeconfig.entries("web", "https://127.0.0.1:6443", b"ca", b"cert", b"key")
THEIRS = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "work", "cluster": {"server": "https://work"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
    "preferences": {"colors": True},
}


def content(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def test_a_new_file_is_complete_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".kube" / "config"
    kubeconfig.merge(path, OURS)
    assert content(path) == OURS
    assert path.stat().st_mode & 0o777 == 0o600


def test_merging_keeps_what_others_wrote_and_changes_the_current_context(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(THEIRS))
    kubeconfig.merge(path, OURS)
    kubeconfig.merge(path, OURS)  # a second start replaces its own entries
    merged = content(path)
    assert [c["name"] for c in merged["contexts"]] == ["work", "pinnace-web"]
    assert merged["clusters"][0] == THEIRS["clusters"][0]
    assert merged["preferences"] == {"colors": True}
    assert merged["current-context"] == "pinnace-web"


def test_a_certificate_that_was_made_anew_changes_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "config"
    kubeconfig.merge(path, OURS)
    kubeconfig.merge(path, THEIRS)
    (tmp_path / "admin.crt").write_bytes(b"new cert")
    (tmp_path / "admin.key").write_bytes(b"new key")
    before = content(path)
    kubeconfig.renew(path, "web", tmp_path)
    (new,) = kubeconfig.entries("web", "", b"", b"new cert", b"new key")["users"]
    assert content(path) == {**before, "users": [new, *before["users"][1:]]}
    assert content(path)["current-context"] == "work"
    kubeconfig.remove(path, "web")
    kubeconfig.renew(path, "web", tmp_path)  # the user took it out
    assert "pinnace-web" not in path.read_text()


def test_removing_gives_back_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(THEIRS))
    kubeconfig.merge(path, OURS)
    kubeconfig.remove(path, "web")
    assert content(path) == {**THEIRS, "current-context": ""}


def test_removing_keeps_another_current_context(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({**OURS, "current-context": "work"}))
    kubeconfig.remove(path, "web")
    assert content(path)["current-context"] == "work"


def test_removing_from_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    kubeconfig.remove(tmp_path / "config", "web")
    assert not (tmp_path / "config").exists()


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "config").symlink_to("real")
    kubeconfig.merge(tmp_path / "config", OURS)
    assert (tmp_path / "config").is_symlink()
    assert content(tmp_path / "real") == OURS


@pytest.mark.parametrize("text", ["- a list\n", "a: [\n", "clusters: 3\n", "contexts: [3]\n"])
def test_a_file_that_is_no_kubeconfig_is_left_alone_and_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"{path} is not a kubeconfig"):
        kubeconfig.merge(path, OURS)
    assert path.read_text() == text


def test_the_target_is_the_flag_then_the_environment_then_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", ":/one:/two")
    assert kubeconfig.target("/flag") == Path("/flag")
    assert kubeconfig.target("") == Path("/one")
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", "/home/me")
    assert kubeconfig.target("") == Path("/home/me/.kube/config")
