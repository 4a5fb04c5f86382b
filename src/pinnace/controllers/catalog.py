"""The table of all controllers, with upstream's names, and the selection that `--controllers '*,-NAME'` makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.controllers import (
    daemonset,
    deployment,
    disruption,
    endpoints,
    endpointslice,
    podgc,
    replicaset,
    root_ca,
    serviceaccount,
    serviceaccount_token,
)
from pinnace.controllers.garbage.collector import GarbageCollector
from pinnace.controllers.namespace import NamespaceController
from pinnace.controllers.nodes import lifecycle, taint_eviction
from pinnace.controllers.runtime import Controller
from pinnace.controllers.runtime.directory import Directory
from pinnace.controllers.runtime.loop import ControllerLoop
from pinnace.controllers.runtime.sweep import SweepLoop


@dataclass(frozen=True, slots=True)
class ControllersConfig:
    """`controllers` reads as kube-controller-manager's flag; `root_ca` is the PEM bundle that pods verify the API with."""

    controllers: tuple[str, ...] = ("*",)
    root_ca: str = ""
    nodes: lifecycle.NodeLifecycleConfig = field(default_factory=lifecycle.NodeLifecycleConfig)
    pod_gc: podgc.PodGCConfig = field(default_factory=podgc.PodGCConfig)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a controller is built from."""

    client: Client
    clock: Clock
    informers: Informers
    directory: Directory
    config: ControllersConfig


class Runnable(Protocol):
    async def run(self) -> None: ...


Build = Callable[[Parts], Runnable]


def _pure(row: Controller) -> Build:
    return lambda parts: ControllerLoop(row, parts.client, parts.clock, parts.informers)


def _from_config(make: Callable[[ControllersConfig], Controller]) -> Build:
    return lambda parts: ControllerLoop(make(parts.config), parts.client, parts.clock, parts.informers)


CATALOG: dict[str, Build] = {
    "deployment": _pure(deployment.CONTROLLER),
    "replicaset": _pure(replicaset.CONTROLLER),
    "daemonset": _pure(daemonset.CONTROLLER),
    "endpoints": _pure(endpoints.CONTROLLER),
    "endpointslice": _pure(endpointslice.CONTROLLER),
    "disruption": _pure(disruption.CONTROLLER),
    "serviceaccount": _pure(serviceaccount.CONTROLLER),
    "serviceaccount-token": _pure(serviceaccount_token.CONTROLLER),
    "root-ca-certificate-publisher": _from_config(lambda config: root_ca.controller(config.root_ca)),
    "node-lifecycle": _from_config(lambda config: lifecycle.controller(config.nodes)),
    "taint-eviction": _pure(taint_eviction.CONTROLLER),
    "pod-garbage-collector": lambda parts: SweepLoop(
        podgc.sweep(parts.config.pod_gc), parts.client, parts.clock, parts.informers
    ),
    "namespace": lambda parts: NamespaceController(
        parts.client, parts.clock, parts.informers, parts.directory
    ),
    "garbage-collector": lambda parts: GarbageCollector(
        parts.client, parts.clock, parts.informers, parts.directory
    ),
}


class UnknownController(ValueError):
    """`--controllers` names something that is not in the table."""


def select(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """`*` turns on all, `name` one, `-name` turns one off, `-*` those that nothing names; the last word on a name counts.

    Raises UnknownController. Upstream has no `-*`: there, a list without `*` says the same.
    """
    for word in asked:
        if word not in ("*", "-*") and word.removeprefix("-") not in known:
            raise UnknownController(f'"{word.removeprefix("-")}" is not in the list of known controllers')
    chosen = []
    for name in known:
        words = [word for word in asked if word.removeprefix("-") == name]
        if (not words[-1].startswith("-")) if words else "*" in asked and "-*" not in asked:
            chosen.append(name)
    return chosen
