"""PodSecurityConfiguration: the policy of namespaces without labels, and who is exempt."""

from dataclasses import dataclass, field
from typing import Any

from pinnace.api.pod_security.levels import LEVELS, LevelVersion, Policy, parse_version

Object = dict[str, Any]
_MODES = ("enforce", "audit", "warn")
_EXEMPTIONS = ("usernames", "runtimeClasses", "namespaces")


@dataclass(frozen=True, slots=True)
class Configuration:
    defaults: Policy = field(default_factory=Policy)
    usernames: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()


def configuration_from(document: Object) -> Configuration:
    """Raises ValueError, which names the field."""
    if document.get("kind") != "PodSecurityConfiguration":
        raise ValueError(f"no kind {document.get('kind')!r} is known, only 'PodSecurityConfiguration'")
    _only(document, ("apiVersion", "kind", "defaults", "exemptions"), "")
    defaults, exemptions = document.get("defaults") or {}, document.get("exemptions") or {}
    _only(defaults, [key for mode in _MODES for key in (mode, f"{mode}-version")], "defaults.")
    _only(exemptions, _EXEMPTIONS, "exemptions.")
    usernames, runtime_classes, namespaces = (frozenset(exemptions.get(key) or ()) for key in _EXEMPTIONS)
    return Configuration(
        Policy(*(_mode(defaults, mode) for mode in _MODES)), usernames, runtime_classes, namespaces
    )


def _mode(defaults: Object, mode: str) -> LevelVersion:
    level, text = defaults.get(mode) or "privileged", defaults.get(f"{mode}-version") or "latest"
    version = parse_version(text)
    if level not in LEVELS:
        raise ValueError(f"defaults.{mode}: {level!r} must be one of {', '.join(LEVELS)}")
    if version is None:
        raise ValueError(f'defaults.{mode}-version: {text!r} must be "latest" or "v1.x"')
    return LevelVersion(level, version)


def _only(document: Object, known: Any, path: str) -> None:
    if unknown := set(document) - set(known):
        raise ValueError(f"unknown field {path}{min(unknown)}")
