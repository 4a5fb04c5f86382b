"""The page about upstream's conformance suite says what the tests say."""

import conformance_table as table


def test_every_marker_names_a_behaviour_of_the_suite() -> None:
    known = {row.behaviour for row in table.rows()}
    assert set(table.markers()) - known == set()


def test_the_suite_is_complete_and_names_each_behaviour_once() -> None:
    behaviours = [row.behaviour for row in table.rows()]
    assert len(behaviours) == len(set(behaviours)) == 446  # Kubernetes v1.36


def test_the_page_is_current() -> None:
    assert table.PAGE.read_text() == table.page(), "run ./dev conformance"
