"""Which container has which devices, and what its plugin answered: kept in a file, because plugins are asked only once. Pure but for that."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

FILE = "kubelet_internal_checkpoint"


@dataclass(frozen=True, slots=True)
class Access:
    """How a container gets its devices, in CRI's words."""

    envs: dict[str, str] = field(default_factory=dict)
    mounts: list[dict[str, str | bool]] = field(default_factory=list)
    devices: list[dict[str, str]] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    cdi: list[str] = field(default_factory=list)

    def plus(self, other: "Access") -> "Access":
        return Access(
            {**self.envs, **other.envs}, [*self.mounts, *other.mounts], [*self.devices, *other.devices],
            {**self.annotations, **other.annotations}, [*self.cdi, *other.cdi],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assignment:
    uid: str
    container: str
    resource: str
    ids: tuple[str, ...]
    access: Access


class Assignments:
    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE
        self._all: dict[tuple[str, str, str], Assignment] = {}
        self.known: dict[
            str, list[str]
        ] = {}  # devices by resource that plugins of an earlier kubelet offered

    def __iter__(self) -> Iterator[Assignment]:
        return iter(self._all.values())

    def find(self, uid: str, container: str, resource: str) -> Assignment | None:
        return self._all.get((uid, container, resource))

    def of(self, uid: str, container: str) -> list[Assignment]:
        return [one for one in self if (one.uid, one.container) == (uid, container)]

    def used(self, resource: str) -> set[str]:
        return {device for one in self if one.resource == resource for device in one.ids}

    def put(self, one: Assignment) -> None:
        self._all[one.uid, one.container, one.resource] = one

    def drop(self, is_gone: Callable[[str], bool]) -> None:
        """Give back the devices of pods that are gone."""
        for key in [key for key in self._all if is_gone(key[0])]:
            del self._all[key]

    def load(self) -> None:
        try:
            content = json.loads(self._file.read_text())
            for one in content["assignments"]:
                access = Access(**one.pop("access"))
                self.put(Assignment(**{**one, "ids": tuple(one["ids"]), "access": access}))
            self.known = content["devices"]
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning(
                "%s is unreadable, running pods keep their devices until they end: %s", self._file, error
            )

    def save(self, devices: dict[str, list[str]]) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({"assignments": [asdict(one) for one in self], "devices": devices}))
        fresh.replace(self._file)


def choose(
    needed: int, free: Iterable[str], reusable: Iterable[str], preferred: Iterable[str] = ()
) -> list[str]:
    """Devices that init containers of the pod had come first, then those that the plugin prefers."""
    available = set(free)
    order = [*sorted(reusable), *(one for one in preferred if one in available), *sorted(available)]
    return list(dict.fromkeys(order))[:needed]
