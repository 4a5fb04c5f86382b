"""Writes a set of files so that a reader sees all of the old ones or all of the new ones, never a mix.

The files live in a time-stamped directory; `..data` is a symlink to it that is renamed into place; every visible name is a
symlink through `..data`. The layout is upstream's, and applications that watch mounted config maps rely on it.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DATA, TEMPORARY_DATA = "..data", "..data_tmp"


@dataclass(frozen=True, slots=True)
class File:
    """`owner` is a uid, or None to leave root."""

    content: bytes
    mode: int = 0o644
    owner: int | None = None


def write(target: Path, files: Mapping[str, File], stamp: str, group: int | None = None) -> bool:
    """Make `target` hold exactly `files` (relative path -> file); False when it did already. `stamp` names this version."""
    for path in files:
        _check(path)
    current = _read_current(target)
    if current is not None and _same(target / current, files):
        return False
    version = f"..{stamp}.{secrets.token_hex(4)}"
    fresh = target / version
    fresh.mkdir(mode=0o755)
    fresh.chmod(0o755)
    for path, file in files.items():
        _write_file(fresh, path, file, group)
    (target / TEMPORARY_DATA).unlink(missing_ok=True)
    (target / TEMPORARY_DATA).symlink_to(version)
    (target / TEMPORARY_DATA).rename(target / DATA)
    _link_names(target, files)
    if current is not None:
        shutil.rmtree(target / current, ignore_errors=True)
    return True


def _check(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise ValueError(f"invalid path for a volume's file: {path!r}")


def _read_current(target: Path) -> str | None:
    """The version's own directory; None for anything that is not ours, which must never be read or removed."""
    try:
        version = os.readlink(target / DATA)  # noqa: PTH115  # the text of the link is wanted, not a path
    except OSError:
        return None
    is_ours = version.startswith("..") and len(version) > 2 and "/" not in version
    return version if is_ours and not (target / version).is_symlink() else None


def _same(directory: Path, files: Mapping[str, File]) -> bool:
    have = {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file() or path.is_symlink()
    }
    if have != set(files):
        return False
    try:
        return all((directory / path).read_bytes() == file.content for path, file in files.items())
    except OSError:
        return False


def _write_file(directory: Path, path: str, file: File, group: int | None) -> None:
    full = directory / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_bytes(file.content)
    mode = file.mode
    if group is not None or file.owner is not None:
        os.chown(full, -1 if file.owner is None else file.owner, -1 if group is None else group)
        if group is not None:
            mode |= (mode & 0o600) >> 3
    full.chmod(mode)


def _link_names(target: Path, files: Mapping[str, File]) -> None:
    wanted = {PurePosixPath(path).parts[0] for path in files}
    for name in wanted:
        link = target / name
        if not link.is_symlink():
            with contextlib.suppress(FileExistsError):
                link.symlink_to(f"{DATA}/{name}")
    for entry in target.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
