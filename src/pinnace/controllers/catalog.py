"""The table of all controllers, with upstream's names, and the selection that `--controllers '*,-NAME'` makes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from pinnace.client.informer import Informers
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import Tracer
from pinnace.controllers import (
    bootstrap_tokens,
    clusterrole_aggregation,
    cronjob,
    daemonset,
    deployment,
    disruption,
    endpoints,
    endpointslice,
    endpointslice_mirroring,
    job,
    podgc,
    replicaset,
    replicationcontroller,
    resourceclaim,
    root_ca,
    service_balancer,
    serviceaccount,
    serviceaccount_token,
    servicecidr,
    statefulset,
    storage_protection,
    ttl_after_finished,
    validatingadmissionpolicy_status,
)
from pinnace.controllers.certificates import cleaner, signing
from pinnace.controllers.certificates.approving import ApprovingController
from pinnace.controllers.certificates.authority import FileAuthority
from pinnace.controllers.certificates.node_certificates import NodeCertificateApprover
from pinnace.controllers.disruption import stale
from pinnace.controllers.garbage.collector import GarbageCollector
from pinnace.controllers.horizontalpodautoscaling import (
    AutoscalingConfig,
    HorizontalPodAutoscalerController,
)
from pinnace.controllers.namespace import NamespaceController
from pinnace.controllers.nodes import ipam, lifecycle, taint_eviction
from pinnace.controllers.nodes.ttl import TtlController
from pinnace.controllers.resourcequota import ResourceQuotaController
from pinnace.controllers.runtime import Controller
from pinnace.controllers.runtime.directory import Directory
from pinnace.controllers.runtime.loop import ControllerLoop
from pinnace.controllers.runtime.sweep import SweepLoop
from pinnace.controllers.runtime.together import Together
from pinnace.controllers.service_balancer import ServiceBalancerConfig
from pinnace.controllers.volumes import attach_detach, binder, ephemeral, expander
from pinnace.controllers.volumes.local_path import LocalPathConfig, LocalPathProvisioner


@dataclass(frozen=True, slots=True)
class ControllersConfig:
    """`controllers` reads as kube-controller-manager's flag; `root_ca` is the PEM bundle that pods verify the API with."""

    controllers: tuple[str, ...] = ("*",)
    root_ca: str = ""
    api_server_names: tuple[str, ...] = ()  # and addresses, which no node may have a certificate for
    issue_account_token: serviceaccount_token.IssueToken | None = None  # None: token Secrets are not filled
    nodes: lifecycle.NodeLifecycleConfig = field(default_factory=lifecycle.NodeLifecycleConfig)
    node_ipam: ipam.NodeIpamConfig | None = None  # None: nodes get no subnets
    pod_gc: podgc.PodGCConfig = field(default_factory=podgc.PodGCConfig)
    autoscaling: AutoscalingConfig = field(default_factory=AutoscalingConfig)
    cluster_signing_cert_file: Path | None = None  # with its key: what certificates are signed with
    cluster_signing_key_file: Path | None = None
    cluster_signing_seconds: float = 365 * 86400.0  # the longest life of a certificate
    service_balancer: ServiceBalancerConfig | None = None  # None: no such controller runs
    local_path: LocalPathConfig | None = None  # None: no provisioner runs
    csi_controllers: tuple[str, ...] = ()  # sockets of CSI drivers whose controllers run here
    tracer: Tracer | None = field(default=None, compare=False)  # None: passes are not recorded
    use_service_account_credentials: bool = True  # every controller with the rights of its own account


@dataclass(frozen=True, slots=True)
class Parts:
    """What a controller is built from. `client` writes with its own rights."""

    client: Client
    clock: Clock
    informers: Informers
    directory: Directory
    config: ControllersConfig


class Runnable(Protocol):
    async def run(self) -> None: ...


Build = Callable[[Parts], Runnable]


class LoopPair:
    """Two loops that are one controller to users; the first one's passes are counted."""

    def __init__(self, counted: ControllerLoop, other: ControllerLoop) -> None:
        self._loops, self.metrics = (counted, other), counted.metrics

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for loop in self._loops:
                tasks.create_task(loop.run())


def _pure(row: Controller) -> Build:
    return lambda parts: _pure_loop(row, parts)


def _together(*rows: Controller) -> Build:
    return lambda parts: Together(*(_pure_loop(row, parts) for row in rows))


def _pure_loop(row: Controller, parts: Parts) -> ControllerLoop:
    return ControllerLoop(row, parts.client, parts.clock, parts.informers, parts.config.tracer)


def _from_config(make: Callable[[ControllersConfig], Controller]) -> Build:
    return lambda parts: ControllerLoop(
        make(parts.config), parts.client, parts.clock, parts.informers, parts.config.tracer
    )


def _node_ipam(config: ControllersConfig) -> Controller:
    if config.node_ipam is None:
        raise ValueError("node-ipam needs a network to divide")
    return ipam.controller(config.node_ipam)


def _signing(config: ControllersConfig) -> Controller:
    certificate, key = config.cluster_signing_cert_file, config.cluster_signing_key_file
    if certificate is None or key is None:
        raise ValueError("certificatesigningrequest-signing needs a certificate and a key to sign with")
    longest = timedelta(seconds=config.cluster_signing_seconds)
    return signing.controller(FileAuthority(certificate, key, longest))


def _service_balancer(config: ControllersConfig) -> Controller:
    if config.service_balancer is None:
        raise ValueError("service-lb needs to know which ports of the nodes are in use")
    return service_balancer.controller(config.service_balancer)


def _local_path(parts: Parts) -> Runnable:
    if parts.config.local_path is None:
        raise ValueError("local-path-provisioner needs a directory for its volumes")
    return LocalPathProvisioner(
        parts.client, parts.clock, parts.informers, parts.config.local_path, tracer=parts.config.tracer
    )


def _csi(parts: Parts) -> Runnable:
    from pinnace.controllers.volumes.csi.controller import CsiControllers  # gRPC only where there is a driver

    return CsiControllers(
        parts.client, parts.clock, parts.informers, parts.config.csi_controllers, tracer=parts.config.tracer
    )


CATALOG: dict[str, Build] = {
    "deployment": _pure(deployment.CONTROLLER),
    "replicaset": _pure(replicaset.CONTROLLER),
    "replicationcontroller": _pure(replicationcontroller.CONTROLLER),
    "daemonset": _pure(daemonset.CONTROLLER),
    "statefulset": _pure(statefulset.CONTROLLER),
    "job": _together(job.CONTROLLER, job.ORPHANS),
    "cronjob": _pure(cronjob.CONTROLLER),
    "ttl-after-finished": _pure(ttl_after_finished.CONTROLLER),
    "endpoints": _pure(endpoints.CONTROLLER),
    "endpointslice": _pure(endpointslice.CONTROLLER),
    "endpointslice-mirroring": _pure(endpointslice_mirroring.CONTROLLER),
    "horizontal-pod-autoscaler": lambda parts: HorizontalPodAutoscalerController(
        parts.client,
        parts.clock,
        parts.informers,
        parts.directory,
        parts.config.autoscaling,
        tracer=parts.config.tracer,
    ),
    "disruption": _together(disruption.CONTROLLER, stale.CONTROLLER),
    "serviceaccount": _pure(serviceaccount.CONTROLLER),
    "serviceaccount-token": _from_config(
        lambda config: serviceaccount_token.controller(config.issue_account_token, config.root_ca)
    ),
    "clusterrole-aggregation": _pure(clusterrole_aggregation.CONTROLLER),
    "root-ca-certificate-publisher": _from_config(lambda config: root_ca.controller(config.root_ca)),
    "certificatesigningrequest-approving": lambda parts: ApprovingController(
        parts.client, parts.clock, parts.informers, tracer=parts.config.tracer
    ),
    "node-certificate-approving": lambda parts: NodeCertificateApprover(
        parts.client,
        parts.clock,
        parts.informers,
        parts.config.api_server_names,
        tracer=parts.config.tracer,
    ),
    "certificatesigningrequest-signing": _from_config(_signing),
    "certificatesigningrequest-cleaner": _pure(cleaner.CONTROLLER),
    "service-cidr": _pure(servicecidr.CONTROLLER),
    "service-lb": _from_config(_service_balancer),
    "node-lifecycle": _from_config(lambda config: lifecycle.controller(config.nodes)),
    "node-ipam": _from_config(_node_ipam),
    "resourceclaim": lambda parts: LoopPair(
        ControllerLoop(resourceclaim.CLAIMS, parts.client, parts.clock, parts.informers, parts.config.tracer),
        ControllerLoop(
            resourceclaim.TEMPLATES, parts.client, parts.clock, parts.informers, parts.config.tracer
        ),
    ),
    "ttl": lambda parts: TtlController(parts.client, parts.clock, parts.informers),
    "bootstrap-signer": _pure(bootstrap_tokens.SIGNER),
    "token-cleaner": _pure(bootstrap_tokens.CLEANER),
    "taint-eviction": _pure(taint_eviction.CONTROLLER),
    "pod-garbage-collector": lambda parts: SweepLoop(
        podgc.sweep(parts.config.pod_gc),
        parts.client,
        parts.clock,
        parts.informers,
        tracer=parts.config.tracer,
    ),
    "persistentvolume-binder": _together(binder.CLAIMS, binder.VOLUMES),
    "persistentvolume-expander": _pure(expander.CONTROLLER),
    "persistentvolume-attach-detach": _pure(attach_detach.CONTROLLER),
    "ephemeral-volume": _pure(ephemeral.CONTROLLER),
    "local-path-provisioner": _local_path,
    "csi": _csi,
    "persistentvolumeclaim-protection": _pure(storage_protection.CLAIMS),
    "persistentvolume-protection": _pure(storage_protection.VOLUMES),
    "volumeattributesclass-protection": _pure(storage_protection.ATTRIBUTES_CLASSES),
    "resourcequota": lambda parts: ResourceQuotaController(
        parts.client, parts.clock, parts.informers, parts.directory, tracer=parts.config.tracer
    ),
    "namespace": lambda parts: NamespaceController(
        parts.client, parts.clock, parts.informers, parts.directory, tracer=parts.config.tracer
    ),
    "validatingadmissionpolicy-status": _pure(validatingadmissionpolicy_status.CONTROLLER),
    "garbage-collector": lambda parts: GarbageCollector(
        parts.client, parts.clock, parts.informers, parts.directory, tracer=parts.config.tracer
    ),
}


OFF_BY_DEFAULT = frozenset(("bootstrap-signer", "token-cleaner"))  # `*` does not turn them on, as upstream


class UnknownController(ValueError):
    """`--controllers` names something that is not in the table."""


def select(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """`*` turns on all that are on by default, `name` one, `-name` turns one off, `-*` those that nothing names; the last word on a name counts.

    Raises UnknownController. Upstream has no `-*`: there, a list without `*` says the same.
    """
    for word in asked:
        if word not in ("*", "-*") and word.removeprefix("-") not in known:
            raise UnknownController(f'"{word.removeprefix("-")}" is not in the list of known controllers')
    chosen = []
    for name in known:
        words = [word for word in asked if word.removeprefix("-") == name]
        if (not words[-1].startswith("-")) if words else _by_star(name, asked):
            chosen.append(name)
    return chosen


def _by_star(name: str, asked: Sequence[str]) -> bool:
    return "*" in asked and "-*" not in asked and name not in OFF_BY_DEFAULT
