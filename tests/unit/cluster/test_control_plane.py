"""The administrator's token."""

from pathlib import Path

from pinnace.cluster.control_plane import admin_token


def test_the_token_stays_and_nobody_else_reads_it(tmp_path: Path) -> None:
    token = admin_token(tmp_path)
    assert len(token) > 32
    assert admin_token(tmp_path) == token
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_an_empty_token_of_a_start_that_was_killed_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    assert len(admin_token(tmp_path)) > 32
