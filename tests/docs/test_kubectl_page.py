"""The page about kubectl's commands and flags says what the parser says, and each gap has a reason."""

import kubectl_table as table


def test_the_page_is_current() -> None:
    # LookupError: a flag or command of upstream is neither there nor listed as missing, or one of ours is not listed.
    assert table.PAGE.read_text() == table.page(), "run ./dev kubectl-table"


def test_shorthands_are_upstreams() -> None:
    assert table.wrong_shorthands() == []


def test_no_flag_is_taken_and_ignored() -> None:
    assert table.unread() == []


def test_upstreams_list_is_whole() -> None:
    known = table.upstream()
    assert len(known) == 111  # kubectl 1.36: 110 commands and what every command takes
    assert {"create secret generic", "rollout undo", "kuberc set", table.EVERYWHERE} <= known.keys()
    assert known["get"].items() >= {"filename": "f", "watch": "w", "sort-by": ""}.items()
