"""The control plane of one cluster in one process: store, API server, controllers, scheduler."""

import ipaddress
from pathlib import Path

from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.server import ApiServer
from pinnace.client.interface import Client
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.pki import Pki
from pinnace.component.clock import Clock
from pinnace.store.backend import Backend


def open_store(config: ClusterConfig) -> Backend:
    if config.store == "memory":
        from pinnace.store.memory import MemoryBackend

        return MemoryBackend()
    from pinnace.store.sqlite import SqliteBackend

    path = config.directory / "db" / "state.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    return SqliteBackend(path)


def service_ip(config: ClusterConfig) -> str:
    """The ClusterIP of the `kubernetes` Service: the first of the service network."""
    return str(ipaddress.IPv4Network(config.service_cidr)[1])


def api_server_config(config: ClusterConfig, pki: Pki, advertise: str) -> ApiServerConfig:
    return ApiServerConfig(
        bind_address=config.bind_address,
        port=config.port or 0,
        advertise_address=advertise,
        tls_cert=pki.cert("apiserver"),
        tls_key=pki.key("apiserver"),
        client_ca=pki.ca,
        root_ca=pki.ca,
        service_account_key=pki.service_account_key,
        service_cidr=config.service_cidr,
        token_auth_file=Path(config.token_auth_file) if config.token_auth_file else None,
        authorization_modes=tuple(config.authorization_mode.split(",")),
        enable_admission_plugins=tuple(filter(None, config.enable_admission_plugins.split(","))),
        disable_admission_plugins=tuple(filter(None, config.disable_admission_plugins.split(","))),
        kubelet_client_cert=pki.cert("apiserver-kubelet-client"),
        kubelet_client_key=pki.key("apiserver-kubelet-client"),
        kubelet_ca=pki.ca,
    )


def parts(config: ClusterConfig, server: ApiServer, clock: Clock) -> dict[str, object]:
    """Controllers and scheduler, each with an in-process client of its own identity."""
    found: dict[str, object] = {}
    controller_client: Client = server.local_client("system:kube-controller-manager", ["system:masters"])
    from pinnace.controllers import Controllers, ControllersConfig

    found["controllers"] = Controllers(controller_client, clock, ControllersConfig())
    if not config.disable_scheduler:
        from pinnace.scheduler import Scheduler, SchedulerConfig

        client = server.local_client("system:kube-scheduler", [])
        found["scheduler"] = Scheduler(client, clock, SchedulerConfig())
    return found
