"""Who may use an image that is on the node already."""

from pathlib import Path

import pytest

from pinnace.kubelet.image_credentials import Credential
from pinnace.kubelet.image_records import ALLOWLISTED, ALWAYS, NEVER, PRELOADED, ImageRecords, repository

IMAGE, ID = "reg.example/team/web:1", "sha256:aa"
NOBODY = Credential()


def secret(name: str = "s", login: str = "x", uid: str = "") -> Credential:
    source = {"uid": uid or name, "namespace": "default", "name": name, "credentialHash": login}
    return Credential({"username": login}, source)


def pulled(root: Path, credential: Credential, policy: str = PRELOADED) -> ImageRecords:
    records = ImageRecords(root, policy)
    records.begin(IMAGE)
    records.end(IMAGE, ID, credential)
    return ImageRecords(root, policy)  # what another kubelet reads


def test_what_came_with_the_node_is_for_everybody(tmp_path: Path) -> None:
    assert not ImageRecords(tmp_path).must_pull(IMAGE, ID, [NOBODY])


@pytest.mark.parametrize(
    ("credential", "must_pull"),
    [
        (NOBODY, True),
        (secret("other", login="y"), True),
        (secret(), False),
        (secret("copy", login="x"), False),  # another secret with the same login
        (secret(login="renewed"), False),  # the same secret with another login
    ],
)
def test_what_was_pulled_with_a_secret_is_for_its_owners(
    tmp_path: Path, credential: Credential, must_pull: bool
) -> None:
    assert pulled(tmp_path, secret()).must_pull(IMAGE, ID, [credential]) is must_pull


def test_what_needed_no_secret_is_for_everybody(tmp_path: Path) -> None:
    assert not pulled(tmp_path, NOBODY).must_pull(IMAGE, ID, [NOBODY])


def test_an_owner_is_remembered(tmp_path: Path) -> None:
    records = pulled(tmp_path, secret())
    assert not records.must_pull(IMAGE, ID, [secret("copy", login="x")])
    assert not ImageRecords(tmp_path).must_pull(IMAGE, ID, [secret("copy", login="later")])


def test_the_same_image_under_another_name_is_another_matter(tmp_path: Path) -> None:
    records = pulled(tmp_path, NOBODY)
    assert records.must_pull("other.example/team/web:1", ID, [NOBODY])
    assert not records.must_pull("reg.example/team/web:2", ID, [NOBODY])


def test_a_pull_that_was_cut_off_leaves_an_image_of_nobody(tmp_path: Path) -> None:
    ImageRecords(tmp_path).begin(IMAGE)
    assert ImageRecords(tmp_path).must_pull(IMAGE, ID, [NOBODY])


def test_a_pull_that_failed_leaves_nothing(tmp_path: Path) -> None:
    records = ImageRecords(tmp_path)
    records.begin(IMAGE)
    records.end(IMAGE, "", None)
    assert not records.must_pull(IMAGE, ID, [NOBODY])


def test_a_record_that_cannot_be_read_trusts_nobody(tmp_path: Path) -> None:
    pulled(tmp_path, secret())
    (path,) = (tmp_path / "image_manager" / "pulled").iterdir()
    path.write_text("{")
    assert ImageRecords(tmp_path).must_pull(IMAGE, ID, [secret()])


def test_records_go_with_their_images(tmp_path: Path) -> None:
    records = pulled(tmp_path, secret())
    records.prune([ID])
    assert records.must_pull(IMAGE, ID, [NOBODY])
    records.prune([])
    assert not records.must_pull(IMAGE, ID, [NOBODY])


def test_policies(tmp_path: Path) -> None:
    assert not pulled(tmp_path, secret(), NEVER).must_pull(IMAGE, ID, [NOBODY])
    preloaded = "sha256:bb"
    assert ImageRecords(tmp_path, ALWAYS).must_pull(IMAGE, preloaded, [NOBODY])
    for allowed, must_pull in (
        ("reg.example/team/web", False),
        ("reg.example/*", False),
        ("reg.example/t", True),
    ):
        records = ImageRecords(tmp_path, ALLOWLISTED, [allowed])
        assert records.must_pull(IMAGE, preloaded, [NOBODY]) is must_pull


def test_no_login_is_written_down(tmp_path: Path) -> None:
    pulled(tmp_path, Credential({"password": "geheim"}, secret().source))
    assert not any("geheim" in path.read_text() for path in tmp_path.rglob("sha256-*"))


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("reg.example:5000/a/b:1", "reg.example:5000/a/b"),
        ("reg.example/a@sha256:00", "reg.example/a"),
        ("docker.io/library/web:latest", "docker.io/library/web"),
    ],
)
def test_tags_and_digests_do_not_count(reference: str, name: str) -> None:
    assert repository(reference) == name
