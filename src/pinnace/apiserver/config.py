"""What an API server is told at its start; the names follow kube-apiserver's flags."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class ApiServerConfig:
    tls_cert_file: Path
    tls_private_key_file: Path
    client_ca_file: Path
    service_account_key_file: Path  # PEM private key: signs tokens and verifies them
    bind_address: str = "0.0.0.0"
    port: int = 6443  # 0 picks a free one; see ApiServer.port
    advertise_address: str = ""  # "" means the bind address, or 127.0.0.1 when that is a wildcard
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    api_audiences: tuple[str, ...] = ()  # () means the issuer
    service_cidr: str = (
        "10.43.0.0/16"  # for dual stack two, with a comma between them: the first family is the default
    )
    service_node_port_range: tuple[int, int] = (30000, 32767)  # both ends included
    token_auth_file: Path | None = None
    anonymous_auth: bool = True
    authorization_modes: tuple[str, ...] = ("RBAC",)  # RBAC, AlwaysAllow, Node
    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    admission_control_config_file: Path | None = None
    kubelet_certificate_authority: Path | None = (
        None  # None: the kubelet's certificate is not verified, as upstream
    )
    kubelet_client_certificate: Path | None = None
    kubelet_client_key: Path | None = None
    enable_priority_and_fairness: bool = True
    max_requests_inflight: int = 400  # with priority and fairness, the sum of both is what the levels share
    max_mutating_requests_inflight: int = 200
    event_ttl_seconds: int = 3600
    shutdown_grace_seconds: float = 5.0  # how long running requests may take to end
    min_request_timeout_seconds: int = 1800  # a watch without timeoutSeconds lasts this long to twice this
    feature_gates: dict[str, bool] = field(default_factory=dict)

    @property
    def service_cidrs(self) -> tuple[str, ...]:
        return tuple(self.service_cidr.split(","))

    @property
    def audiences(self) -> tuple[str, ...]:
        return self.api_audiences or (self.service_account_issuer,)
