"""What an API server is told about identity, access, audit and encryption; the names follow kube-apiserver's flags."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OidcConfig:
    """`--oidc-*`: one issuer; more of them come with `--authentication-config`."""

    issuer_url: str
    client_id: str
    username_claim: str = "sub"
    username_prefix: str = ""  # "" means ISSUER# unless the claim is email; "-" means none
    groups_claim: str = ""
    groups_prefix: str = ""
    ca_file: Path | None = None
    signing_algs: tuple[str, ...] = ("RS256",)
    required_claims: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuthenticationConfig:
    authentication_config: Path | None = None
    bootstrap_token_auth: bool = False
    oidc: OidcConfig | None = None
    token_webhook_config_file: Path | None = None
    token_webhook_version: str = "v1"
    token_webhook_cache_ttl_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class AuthorizationConfig:
    authorization_config: Path | None = None
    webhook_config_file: Path | None = None
    webhook_version: str = "v1"
    webhook_cache_authorized_ttl_seconds: float = 300.0
    webhook_cache_unauthorized_ttl_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class AuditConfig:
    policy_file: Path | None = None
    log_path: str = ""  # "-" is standard output
    log_format: str = "json"  # json, legacy
    log_maxage_days: int = 0
    log_maxbackup: int = 0
    log_maxsize_mb: int = 100
    webhook_config_file: Path | None = None
    webhook_batch_max_size: int = 400
    webhook_batch_max_wait_seconds: float = 30.0

    @property
    def is_on(self) -> bool:
        return self.policy_file is not None and bool(self.log_path or self.webhook_config_file)
