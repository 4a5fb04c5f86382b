"""The control plane of one cluster in one process: store, API server, controllers, scheduler."""

import secrets
from pathlib import Path

from pinnace.apiserver.config import ApiServerConfig
from pinnace.cluster import address_ranges
from pinnace.cluster.config import ClusterConfig
from pinnace.cluster.pki import Pki
from pinnace.cluster.security import api_server_settings
from pinnace.component.clock import Clock
from pinnace.store.backend import Backend

ADMIN, MASTERS = "kubernetes-admin", "system:masters"


def open_store(config: ClusterConfig, clock: Clock) -> Backend:
    """The store that the configuration names; only its own modules are imported."""
    if config.store == "memory":
        from pinnace.store.memory import MemoryBackend

        return MemoryBackend()
    if config.store == "etcd":
        return _etcd(config, clock)
    from pinnace.store.sqlite import SqliteBackend

    return SqliteBackend(config.directory / "db" / "state.db")


def _etcd(config: ClusterConfig, clock: Clock) -> Backend:
    from pinnace.store.etcd import EtcdBackend
    from pinnace.store.etcd_client import EtcdConfig

    password = Path(config.etcd_password_file).read_text().strip() if config.etcd_password_file else ""
    settings = EtcdConfig(
        tuple(config.etcd_servers.split(",")), prefix=config.etcd_prefix, ca_file=config.etcd_cafile,
        cert_file=config.etcd_certfile, key_file=config.etcd_keyfile, user=config.etcd_user, password=password,
    )  # fmt: skip
    return EtcdBackend(settings, clock)


def service_ip(config: ClusterConfig) -> str:
    """The ClusterIP of the `kubernetes` Service: the first of the service network, and of its own family."""
    return str(address_ranges.networks(config.service_cidr)[0][1])


def admin_token(directory: Path) -> str:
    """The bearer token of the administrator, made at the first start and kept in `DATA/token`."""
    path = directory / "token"
    if not path.exists() or not path.read_text().strip():
        temporary = path.with_suffix(".new")  # renamed when it is whole: a kill must not leave an empty token
        temporary.touch(mode=0o600)
        temporary.write_text(secrets.token_urlsafe(32) + "\n")
        temporary.replace(path)
    return path.read_text().strip()


def token_file(config: ClusterConfig) -> Path:
    """The administrator's token together with the user's `--token-auth-file`, in kube-apiserver's CSV format."""
    path = config.directory / "pki" / "tokens.csv"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = [f'{admin_token(config.directory)},{ADMIN},{ADMIN},"{MASTERS}"']
    if config.token_auth_file:
        lines.append(Path(config.token_auth_file).read_text())
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    return path


def _enabled_plugins(config: ClusterConfig) -> tuple[str, ...]:
    """NodeRestriction belongs to the Node authorizer, as kubeadm has it."""
    wanted = tuple(filter(None, config.enable_admission_plugins.split(",")))
    off = config.disable_admission_plugins.split(",")
    own = ("NodeRestriction",) if "NodeRestriction" not in off and "NodeRestriction" not in wanted else ()
    return (*wanted, *own)


def api_server_config(config: ClusterConfig, pki: Pki, advertise: str) -> ApiServerConfig:
    return ApiServerConfig(
        tls_cert_file=pki.cert("apiserver"),
        tls_private_key_file=pki.key("apiserver"),
        client_ca_file=pki.ca,
        bind_address=config.bind_address,
        port=config.port or 0,
        advertise_address=advertise,
        service_cidr=config.service_cidr,
        service_node_port_range=address_ranges.ports(
            config.service_node_port_range, "--service-node-port-range"
        ),
        token_auth_file=token_file(config),
        authorization_modes=tuple(config.authorization_mode.split(",")),
        enable_admission_plugins=_enabled_plugins(config),
        disable_admission_plugins=tuple(filter(None, config.disable_admission_plugins.split(","))),
        admission_control_config_file=Path(config.admission_control_config_file)
        if config.admission_control_config_file
        else None,
        kubelet_client_certificate=pki.cert("apiserver-kubelet-client"),
        kubelet_client_key=pki.key("apiserver-kubelet-client"),
        kubelet_certificate_authority=pki.ca,
        requestheader_client_ca_file=pki.front_proxy_ca,
        proxy_client_cert_file=pki.cert("front-proxy-client"),
        proxy_client_key_file=pki.key("front-proxy-client"),
        **api_server_settings(
            config, f"https://kubernetes.default.svc.{config.cluster_domain}", pki.service_account_key
        ),
    )
