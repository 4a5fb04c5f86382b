"""Reading of resource versions as clients send them."""

import pytest

from pinnace.apimachinery.errors import BadRequest
from pinnace.apiserver.storage.reading import parse_revision


@pytest.mark.parametrize("text", ["9" * 5000, str(2**64), "-1", "x", "\u0661", "1\n"])
def test_what_is_no_revision_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="ParseUint"):
        parse_revision(text)


def test_revisions() -> None:
    assert [parse_revision(text) for text in ("", "0", str(2**64 - 1))] == [0, 0, 2**64 - 1]
