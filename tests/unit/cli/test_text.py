"""Laying out text: columns, tab stops, Go's tabwriter."""

from pinnace.cli.printers.columns_text import ColumnWriter
from pinnace.cli.printers.tabwriter import align


def test_columns_are_three_apart_and_the_last_is_not_padded() -> None:
    assert (
        ColumnWriter().render([["NAME", "AGE"], ["a-long-name", "5s"]])
        == "NAME          AGE\na-long-name   5s\n"
    )


def test_columns_keep_their_width_in_later_rows() -> None:
    writer = ColumnWriter()
    writer.render([["a-long-name", "x"]])
    assert writer.render([["b", "y"]]) == "b             y\n"


def test_neighbouring_lines_share_tab_stops_and_others_do_not() -> None:
    text = "Name:\tx\nNamespace:\tdefault\nIPs:\n  IP:\t1\nControlled By:\ty\n"
    assert align(text) == "Name:       x\nNamespace:  default\nIPs:\n  IP:           1\nControlled By:  y\n"
