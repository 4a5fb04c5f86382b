"""Levels, versions, and the policy that a namespace's labels ask for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pinnace.api import fields
from pinnace.apimachinery.errors import Cause

PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
LATEST = 10**6
PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)", re.ASCII)
_BAD_LEVEL = f"must be one of {', '.join(LEVELS)}"
_BAD_VERSION = 'must be "latest" or "v1.x"'


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """`version` is the minor number of Kubernetes whose checks count; LATEST for the newest."""

    level: str = PRIVILEGED
    version: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.version == LATEST else f'v1.{self.version}'}"

    @property
    def strictness(self) -> int:
        return LEVELS.index(self.level)


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: LevelVersion = LevelVersion()
    audit: LevelVersion = LevelVersion()
    warn: LevelVersion = LevelVersion()

    @property
    def is_privileged(self) -> bool:
        return all(one.level == PRIVILEGED for one in (self.enforce, self.audit, self.warn))

    def __str__(self) -> str:
        """The modes that ask for anything: `enforce=baseline:latest, warn=restricted:v1.30`."""
        modes = (("enforce", self.enforce), ("audit", self.audit), ("warn", self.warn))
        return ", ".join(f"{mode}={one}" for mode, one in modes if one.level != PRIVILEGED)


def parse_version(text: str) -> int | None:
    if text == "latest":
        return LATEST
    match = _VERSION.fullmatch(text)
    return int(match[1]) if match else None


def policy_of(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, list[Cause]]:
    """What the labels ask for, and what is wrong with them: enforcing then fails closed, the other modes open."""
    if not any(label.startswith(PREFIX) for label in labels):
        return defaults, []
    found: list[Cause] = []
    enforce, is_enforced = _mode("enforce", RESTRICTED, labels, defaults.enforce, found)
    audit, _ = _mode("audit", PRIVILEGED, labels, defaults.audit, found)
    warn, _ = _mode("warn", PRIVILEGED, labels, defaults.warn, found)
    if is_enforced and f"{PREFIX}warn" not in labels and enforce.strictness > warn.strictness:
        has_version = f"{PREFIX}warn-version" in labels
        warn = replace(enforce, version=warn.version) if has_version else enforce
    return Policy(enforce, audit, warn), found


def _mode(
    mode: str, fallback: str, labels: Mapping[str, str], default: LevelVersion, found: list[Cause]
) -> tuple[LevelVersion, bool]:
    """The level and version of one mode, and whether a valid level is given."""
    is_given, (level, version) = False, (default.level, default.version)
    if (text := labels.get(f"{PREFIX}{mode}")) is not None:
        is_given = text in LEVELS
        level = text if is_given else fallback
        if not is_given:
            found.append(_bad(f"{PREFIX}{mode}", text, _BAD_LEVEL))
    if (text := labels.get(f"{PREFIX}{mode}-version")) is not None:
        parsed = parse_version(text)
        version = LATEST if parsed is None else parsed
        if parsed is None:
            found.append(_bad(f"{PREFIX}{mode}-version", text, _BAD_VERSION))
    return LevelVersion(level, version), is_given


def _bad(label: str, value: str, why: str) -> Cause:
    return fields.invalid(fields.key("metadata.labels", label), value, why)
