"""Which servers' answers to a request for progress are trusted."""

import pytest

from pinnace.store.etcd_feed import reports_progress


@pytest.mark.parametrize(
    ("version", "trusted"),
    [
        ("3.4.23", False), ("3.4.25", True), ("3.5.7", False), ("3.5.8", True), ("3.6.0-rc.1", True), ("4.0.0", True),
        ("3.3.99", False), ("unknown", False),
    ],
)  # fmt: skip
def test_progress_is_trusted_from_the_versions_that_order_it(version: str, trusted: bool) -> None:
    assert reports_progress(version) is trusted
