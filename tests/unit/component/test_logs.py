"""Logging is set up in one place: text or JSON lines, and as much as -v asks for."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from pinnace.component import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, requests = logging.getLogger(), logging.getLogger(logs.HTTPLOG)
    before = list(root.handlers), root.level, requests.level
    yield
    root.handlers[:], level, own = before
    root.setLevel(level)
    requests.setLevel(own)


def written(verbosity: int, style: str) -> list[str]:
    stream = io.StringIO()
    logs.configure(verbosity, style, stream)
    log = logging.getLogger("pinnace.test")
    log.debug("detail")
    log.info("news", extra=logs.fields(audit_ID="a b", resp=200))
    log.warning("odd: %s", "x")
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("it failed")
    logging.getLogger(logs.HTTPLOG).info("HTTP")
    return stream.getvalue().splitlines()


def test_json_lines_have_upstreams_keys() -> None:
    news, odd, failed = (json.loads(line) for line in written(1, "json"))
    assert (news["msg"], news["v"], news["level"], news["logger"]) == ("news", 1, "info", "pinnace.test")
    assert (news["audit-ID"], news["resp"]) == ("a b", 200)
    assert news["ts"] > 1_500_000_000_000  # milliseconds
    assert (odd["msg"], odd["level"]) == ("odd: x", "warning")
    assert failed["err"] == "broken"
    assert "ValueError" in failed["stacktrace"]


def test_text_shows_key_values() -> None:
    assert written(1, "text")[0].endswith('I pinnace.test: news audit-ID="a b" resp=200')


@pytest.mark.parametrize(("verbosity", "said"), [(0, []), (1, ["news"]), (2, ["detail", "news"]), (3, ["detail", "news"])])  # fmt: skip
def test_verbosity(verbosity: int, said: list[str]) -> None:
    lines = [json.loads(line)["msg"] for line in written(verbosity, "json")]
    assert lines == [*said, "odd: x", "it failed", *(["HTTP"] if verbosity >= 3 else [])]


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(ValueError, match='Unsupported log format: "xml"'):
        logs.configure(0, "xml")
