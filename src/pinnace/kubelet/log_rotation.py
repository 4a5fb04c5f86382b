"""Rotating container logs: `N.log` is moved aside with a time stamp, older parts are compressed, the oldest go."""

import gzip
import shutil
from datetime import datetime
from pathlib import Path

STAMP = "%Y%m%d-%H%M%S"


def needs_rotation(path: Path, limit: int) -> bool:
    try:
        return path.stat().st_size > limit
    except OSError:
        return False


def rotate(path: Path, keep: int, now: datetime) -> Path:
    """Move the log aside and keep `keep` files altogether; returns where it went. The writer must reopen it."""
    parts = sorted(part for part in path.parent.glob(f"{path.name}.*") if not part.name.endswith(".tmp"))
    for part in parts[: max(0, len(parts) - (keep - 2))]:
        part.unlink()
    for part in parts:
        if part.suffix != ".gz" and part.exists():
            _compress(part)
    moved = path.with_name(f"{path.name}.{now.strftime(STAMP)}")
    path.rename(moved)
    return moved


def _compress(path: Path) -> None:
    target = path.with_name(f"{path.name}.gz")
    partial = path.with_name(f"{path.name}.gz.tmp")
    with path.open("rb") as source, gzip.open(partial, "wb") as out:
        shutil.copyfileobj(source, out)
    partial.rename(target)
    path.unlink()
