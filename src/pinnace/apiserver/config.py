"""What an API server is told at its start; the names follow kube-apiserver's flags."""

from dataclasses import dataclass, field
from pathlib import Path

from pinnace.apiserver.config_security import AuditConfig, AuthenticationConfig, AuthorizationConfig
from pinnace.component.tracing import MOST_BYTES


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
    service_cidr: str = (
        "10.43.0.0/16"  # for dual stack two, with a comma between them: the first family is the default
    )
    accepted_issuers: tuple[
        str, ...
    ] = ()  # further ones, whose tokens are good too: for a change of the issuer
    api_audiences: tuple[str, ...] = ()  # () means the issuers
    service_account_verification_keys: tuple[Path, ...] = ()  # PEM files, besides the signing key
    service_account_jwks_uri: str = ""  # "" means this server's /openid/v1/jwks
    service_account_max_token_seconds: int = 0  # 0 means no limit of its own
    service_account_extend_token_expiration: bool = True
    service_node_port_range: tuple[int, int] = (30000, 32767)  # both ends included
    token_auth_file: Path | None = None
    anonymous_auth: bool = True
    authorization_modes: tuple[str, ...] = (
        "RBAC",
    )  # Node, RBAC, Webhook, AlwaysAllow, AlwaysDeny, in their order
    authentication: AuthenticationConfig = field(default_factory=AuthenticationConfig)
    authorization: AuthorizationConfig = field(default_factory=AuthorizationConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    encryption_provider_config: Path | None = None
    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    admission_control_config_file: Path | None = None
    kubelet_certificate_authority: Path | None = (
        None  # None: the kubelet's certificate is not verified, as upstream
    )
    kubelet_client_certificate: Path | None = None
    kubelet_client_key: Path | None = None
    enable_priority_and_fairness: bool = True
    # The front proxy that may say in headers who a user is; without a CA there is none.
    requestheader_client_ca_file: Path | None = None
    requestheader_allowed_names: tuple[str, ...] = ("front-proxy-client",)  # () allows every name
    requestheader_username_headers: tuple[str, ...] = ("X-Remote-User",)
    requestheader_uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    requestheader_group_headers: tuple[str, ...] = ("X-Remote-Group",)
    requestheader_extra_headers_prefix: tuple[str, ...] = ("X-Remote-Extra-",)
    proxy_client_cert_file: Path | None = None  # what this server shows to extension API servers
    proxy_client_key_file: Path | None = None
    max_requests_inflight: int = 400  # with priority and fairness, the sum of both is what the levels share
    max_mutating_requests_inflight: int = 200
    event_ttl_seconds: int = 3600
    shutdown_grace_seconds: float = 5.0  # how long running requests may take to end
    min_request_timeout_seconds: int = 1800  # a watch without timeoutSeconds lasts this long to twice this
    trace_buffer_bytes: int = MOST_BYTES  # what recorded spans may take; 0: none are recorded
    tracing_config_file: Path | None = None  # where recorded spans are sent
    feature_gates: dict[str, bool] = field(default_factory=dict)

    @property
    def service_cidrs(self) -> tuple[str, ...]:
        return tuple(self.service_cidr.split(","))

    @property
    def audiences(self) -> tuple[str, ...]:
        return self.api_audiences or self.issuers

    @property
    def issuers(self) -> tuple[str, ...]:
        """The first one issues, all are accepted."""
        return tuple(dict.fromkeys((self.service_account_issuer, *self.accepted_issuers)))
