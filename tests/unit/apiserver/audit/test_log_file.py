from pathlib import Path
from typing import Any

import orjson

from pinnace.apiserver.audit.sinks import LogFile, legacy_line
from pinnace.testing.fake_clock import FakeClock

EVENT: dict[str, Any] = {
    "auditID": "id", "stage": "ResponseComplete", "verb": "get", "requestURI": "/version",
    "stageTimestamp": "2026-01-01T00:00:00.000000Z", "user": {"username": "jane", "groups": ["dev"]},
    "responseStatus": {"code": 200},
}  # fmt: skip


async def test_events_are_lines_of_json(tmp_path: Path, fake_clock: FakeClock) -> None:
    path = tmp_path / "logs" / "audit.log"
    log = LogFile(str(path), fake_clock)
    log.write(EVENT)
    log.write(EVENT)
    await log.close()
    assert [orjson.loads(line) for line in path.read_text().splitlines()] == [EVENT, EVENT]


async def test_a_full_file_is_put_aside_and_old_ones_go(tmp_path: Path, fake_clock: FakeClock) -> None:
    path = tmp_path / "audit.log"
    log = LogFile(str(path), fake_clock, max_mb=1, max_backups=2)
    big = {**EVENT, "annotations": {"x": "y" * 700_000}}
    for _ in range(5):
        log.write(big)
        await fake_clock.advance(1)
    await log.close()
    backups = sorted(tmp_path.glob("audit-*.log"))
    assert len(backups) == 2
    assert len(path.read_text().splitlines()) == 1


async def test_backups_that_are_too_old_go(tmp_path: Path, fake_clock: FakeClock) -> None:
    path = tmp_path / "audit.log"
    log = LogFile(str(path), fake_clock, max_mb=1, max_age_days=1)
    big = {**EVENT, "annotations": {"x": "y" * 700_000}}
    log.write(big)
    log.write(big)
    await fake_clock.advance(2 * 24 * 3600)
    log.write(big)
    await log.close()
    assert len(list(tmp_path.glob("audit-*.log"))) == 1


def test_the_legacy_format() -> None:
    line = legacy_line(EVENT)
    assert line.startswith('2026-01-01T00:00:00.000000Z AUDIT: id="id" stage="ResponseComplete"')
    assert 'user="jane"' in line
    assert line.endswith('uri="/version" response="200"')
