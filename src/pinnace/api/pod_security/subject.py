"""A pod as the checks see it, and how they say what is wrong."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pinnace.api.meta import Object

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True)
class Violation:
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Subject:
    metadata: Object
    spec: Object

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.metadata.get("annotations") or {}

    @property
    def security(self) -> Mapping[str, Any]:
        return self.spec.get("securityContext") or {}

    @property
    def is_windows(self) -> bool:
        return (self.spec.get("os") or {}).get("name") == "windows"

    @property
    def has_own_users(self) -> bool:
        """It runs in a user namespace: root inside is nobody outside."""
        return self.spec.get("hostUsers") is False

    def containers(self) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """(name, container, its security context)."""
        for field in _CONTAINERS:
            for container in self.spec.get(field) or ():
                yield container.get("name", ""), container, container.get("securityContext") or {}

    def setters(self, is_bad: Callable[[Mapping[str, Any]], bool]) -> list[str]:
        """Whose security context is bad: `pod`, and `container "a"` or `containers "a", "b"`."""
        found = ["pod"] if is_bad(self.security) else []
        bad = [name for name, _, security in self.containers() if is_bad(security)]
        return found + ([named("container", bad)] if bad else [])


Check = Callable[[Subject], Violation | None]
Versions = tuple[tuple[int, Check], ...]  # (minor version since when, edition), oldest first


def plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def quoted(values: Iterable[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def named(noun: str, values: list[str]) -> str:
    return f"{plural(noun, len(values))} {quoted(values)}"


def uses(count: int) -> str:
    return "uses" if count == 1 else "use"
