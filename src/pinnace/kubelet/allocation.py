"""What a pod was granted of cpu and memory, and what of that is in force: it differs from the spec while a resize is on its way.

Kept in the pod's directory, so that a restarted kubelet still knows what it granted; the file goes with the directory.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object

log = logging.getLogger(__name__)

FILE = "allocation.json"
PARTS = ("containers", "initContainers")


@dataclass(slots=True)
class Allocation:
    """Resources by container name: `granted` by this node, `in_force` in the running container; `pod` is `spec.resources`.

    `pod_settings` is what was written to the pod's control group last. `pending` and `progress` are the pod's conditions.
    """

    granted: dict[str, Object] = field(default_factory=dict)
    pod: Object | None = None
    in_force: dict[str, Object] = field(default_factory=dict)
    pod_in_force: Object | None = None
    pod_settings: dict[str, int] = field(default_factory=dict)
    pending: Object | None = None
    progress: Object | None = None

    def conditions(self) -> tuple[Object, ...]:
        return tuple(one for one in (self.pending, self.progress) if one is not None)

    def grant(self, pod: Object) -> None:
        self.granted = {one["name"]: resources_of(one) for one in resizable(pod)}
        self.pod = pod["spec"].get("resources")

    def covers(self, pod: Object) -> bool:
        """Whether the spec asks for exactly what was granted."""
        if (pod["spec"].get("resources") or None) != (self.pod or None):
            return False
        return all(
            resources_of(one) == self.granted.get(one["name"], resources_of(one)) for one in resizable(pod)
        )

    def applied_to(self, pod: Object) -> Object:
        """The pod as this node runs it: with what was granted instead of what is asked for."""
        if self.covers(pod):
            return pod
        spec = {**pod["spec"], "resources": self.pod}
        for part in PARTS:
            if part in spec:
                spec[part] = [self._with_granted(part, one) for one in spec[part]]
        return {**pod, "spec": spec}

    def _with_granted(self, part: str, container: Object) -> Object:
        if not _is_resizable(part, container) or container["name"] not in self.granted:
            return container
        return {**container, "resources": self.granted[container["name"]]}


def _is_resizable(part: str, container: Object) -> bool:
    return part == "containers" or pods.is_sidecar(container)


def resizable(pod: Object) -> Iterator[Object]:
    """Containers whose resources may change while they run: sidecars, then app containers."""
    yield from (one for one in pods.init_containers(pod) if pods.is_sidecar(one))
    yield from pods.containers(pod)


def resources_of(container: Object) -> dict[str, Any]:
    return container.get("resources") or {}


def load(directory: Path) -> Allocation | None:
    """What an earlier kubelet granted; None when it left nothing that can be read."""
    try:
        return Allocation(**json.loads((directory / FILE).read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        log.warning("the allocation in %s is unreadable: %s", directory, error)
        return None


def save(directory: Path, allocation: Allocation) -> None:
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    fresh = directory / f"{FILE}.new"
    fresh.write_text(json.dumps(asdict(allocation)))
    fresh.replace(directory / FILE)
