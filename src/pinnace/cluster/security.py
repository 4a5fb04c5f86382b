"""kube-apiserver's flags about identity, access, audit, tracing, encryption and the load that it takes, under their own names: one table row each.

`SecurityFlags` are fields of the cluster's configuration; `flags`, `config` and `launch` read the table. What they mean to
the API server is said at the end of this file.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.apiserver.config_security import (
    AuditConfig,
    AuthenticationConfig,
    AuthorizationConfig,
    OidcConfig,
)
from pinnace.cluster.errors import UsageError
from pinnace.cluster.tracing import TRACE_BUFFER, check_buffer
from pinnace.component.tracing import MOST_BYTES


@dataclass(frozen=True, slots=True)
class Row:
    """`kind`: text, path, paths (several files), list (may be repeated), duration, number, switch."""

    name: str
    kind: str
    help: str

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")


ROWS = (
    Row("anonymous-auth", "switch", "requests without credentials go on as system:anonymous (default true)"),
    Row(
        "enable-bootstrap-token-auth",
        "switch",
        "secrets of type bootstrap.kubernetes.io/token authenticate (default true)",
    ),
    Row("authentication-config", "path", "an AuthenticationConfiguration: OIDC issuers, anonymous requests"),
    Row("oidc-issuer-url", "text", "an OpenID Connect issuer, https://..."),
    Row("oidc-client-id", "text", "the audience that its tokens must have"),
    Row("oidc-username-claim", "text", "the claim with the user name (default sub)"),
    Row("oidc-username-prefix", "text", "put in front of user names; - for none"),
    Row("oidc-groups-claim", "text", "the claim with the groups"),
    Row("oidc-groups-prefix", "text", "put in front of groups"),
    Row("oidc-ca-file", "path", "the authority that signed the issuer's certificate"),
    Row("oidc-signing-algs", "list", "algorithms (default RS256)"),
    Row("oidc-required-claim", "list", "KEY=VALUE that tokens must have; may be repeated"),
    Row("authentication-token-webhook-config-file", "path", "kubeconfig of a server that reviews tokens"),
    Row("authentication-token-webhook-version", "text", "v1 (default) or v1beta1"),
    Row("authentication-token-webhook-cache-ttl", "duration", "how long its answers are kept (default 2m)"),
    Row("authorization-config", "path", "an AuthorizationConfiguration, instead of --authorization-mode"),
    Row("authorization-webhook-config-file", "path", "kubeconfig of a server that reviews access"),
    Row("authorization-webhook-version", "text", "v1 (default) or v1beta1"),
    Row("authorization-webhook-cache-authorized-ttl", "duration", "how long a yes is kept (default 5m)"),
    Row("authorization-webhook-cache-unauthorized-ttl", "duration", "how long a no is kept (default 30s)"),
    Row("audit-policy-file", "path", "an audit.k8s.io/v1 Policy"),
    Row("audit-log-path", "text", "the audit log; - for standard output"),
    Row("audit-log-format", "text", "json (default) or legacy"),
    Row("audit-log-maxage", "number", "days until old audit logs are removed"),
    Row("audit-log-maxbackup", "number", "old audit logs that are kept"),
    Row("audit-log-maxsize", "number", "megabytes until the audit log is put aside (default 100)"),
    Row("audit-webhook-config-file", "path", "kubeconfig of a server that is sent audit events"),
    Row("audit-webhook-batch-max-size", "number", "events in one batch (default 400)"),
    Row("audit-webhook-batch-max-wait", "duration", "how long a batch waits for more (default 30s)"),
    Row(
        "tracing-config-file", "path", "a TracingConfiguration: the collector that recorded spans are sent to"
    ),
    Row("trace-buffer-bytes", "number", TRACE_BUFFER),
    Row("encryption-provider-config", "path", "an EncryptionConfiguration: what lies encrypted in the store"),
    Row("service-account-issuer", "list", "issuer of service-account tokens; further ones are accepted"),
    Row("service-account-key-file", "paths", "PEM keys that verify service-account tokens; may be repeated"),
    Row("service-account-signing-key-file", "path", "PEM key that signs them (default: the cluster's own)"),
    Row("service-account-jwks-uri", "text", "jwks_uri of the discovery document"),
    Row("service-account-max-token-expiration", "duration", "the longest life of a token"),
    Row("service-account-extend-token-expiration", "switch", "mounted tokens last a year (default true)"),
    Row("api-audiences", "list", "audiences of this API (default: the issuers)"),
    Row("enable-priority-and-fairness", "switch", "FlowSchemas decide who waits (default true)"),
    Row(
        "max-requests-inflight",
        "number",
        "requests at once; with priority and fairness the sum of both counts",
    ),
    Row("max-mutating-requests-inflight", "number", "changing requests at once (default 200)"),
)


@dataclass(kw_only=True)
class SecurityFlags:
    """Durations are Go's texts (`1m30s`), lists are separated by commas; "" means not given."""

    anonymous_auth: bool = True
    enable_bootstrap_token_auth: bool = True
    authentication_config: str = ""
    oidc_issuer_url: str = ""
    oidc_client_id: str = ""
    oidc_username_claim: str = ""
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_ca_file: str = ""
    oidc_signing_algs: str = ""
    oidc_required_claim: str = ""
    authentication_token_webhook_config_file: str = ""
    authentication_token_webhook_version: str = ""
    authentication_token_webhook_cache_ttl: str = ""
    authorization_config: str = ""
    authorization_webhook_config_file: str = ""
    authorization_webhook_version: str = ""
    authorization_webhook_cache_authorized_ttl: str = ""
    authorization_webhook_cache_unauthorized_ttl: str = ""
    audit_policy_file: str = ""
    audit_log_path: str = ""
    audit_log_format: str = ""
    audit_log_maxage: int = 0
    audit_log_maxbackup: int = 0
    audit_log_maxsize: int = 100
    audit_webhook_config_file: str = ""
    audit_webhook_batch_max_size: int = 400
    audit_webhook_batch_max_wait: str = ""
    tracing_config_file: str = ""
    trace_buffer_bytes: int = MOST_BYTES
    encryption_provider_config: str = ""
    service_account_issuer: str = ""
    service_account_key_file: str = ""
    service_account_signing_key_file: str = ""
    service_account_jwks_uri: str = ""
    service_account_max_token_expiration: str = ""
    service_account_extend_token_expiration: bool = True
    api_audiences: str = ""
    enable_priority_and_fairness: bool = True
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200


class _Joined(argparse.Action):
    """A flag that may be repeated: its values are joined by commas."""

    def __call__(
        self,
        parser: Any,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option: Any = None,
    ) -> None:
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, f"{before},{values}" if before else values)


def add_security_flags(parser: argparse.ArgumentParser) -> None:
    for row in ROWS:
        match row.kind:
            case "switch":
                parser.add_argument(f"--{row.name}", type=boolean, nargs="?", const=True, help=row.help)
            case "number":
                parser.add_argument(f"--{row.name}", type=int, help=row.help)
            case "list" | "paths":
                parser.add_argument(f"--{row.name}", action=_Joined, help=row.help)
            case _:
                parser.add_argument(f"--{row.name}", help=row.help)


def boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be true or false")
    return text.lower() == "true"


def types() -> dict[str, type]:
    """Of the fields that are no text, for the `--config` file."""
    return {
        row.field: bool if row.kind == "switch" else int for row in ROWS if row.kind in ("switch", "number")
    }


def command_line(flags: SecurityFlags) -> list[str]:
    """What differs from the defaults, with absolute paths."""
    defaults, given = SecurityFlags(), []
    for row in ROWS:
        value = getattr(flags, row.field)
        if value == getattr(defaults, row.field):
            continue
        if row.kind in ("path", "paths") or (row.name == "audit-log-path" and value != "-"):
            value = ",".join(str(Path(part).absolute()) for part in value.split(","))
        given.append(f"--{row.name}={str(value).lower() if row.kind == 'switch' else value}")
    return given


_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h)")
_UNIT_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str, default: float) -> float:
    if not text:
        return default
    return sum(float(amount) * _UNIT_SECONDS[unit] for amount, unit in _DURATION.findall(text))


def check_duration(flag: str, text: str) -> None:
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+|0", text):
        raise UsageError(f"--{flag} {text!r}: must be a duration like 90s or 1m30s")


def check(flags: SecurityFlags, authorization_mode: str) -> None:
    """Raise UsageError for what can be known to be wrong without reading the files."""
    for row in ROWS:
        value = getattr(flags, row.field)
        if row.kind in ("path", "paths"):
            for part in filter(None, value.split(",")):
                if not Path(part).is_file():
                    raise UsageError(f"--{row.name} {part}: no such file")
        if row.kind == "duration" and value:
            check_duration(row.name, value)
    from pinnace.apiserver.authz.modes import check_modes

    if not flags.authorization_config:
        try:
            check_modes(tuple(authorization_mode.split(",")))
        except ValueError as error:
            raise UsageError(f"--authorization-mode {authorization_mode}: {error}") from None
    webhook = "Webhook" in authorization_mode.split(",")
    if webhook and not flags.authorization_webhook_config_file and not flags.authorization_config:
        raise UsageError("--authorization-mode Webhook needs --authorization-webhook-config-file")
    if flags.max_requests_inflight + flags.max_mutating_requests_inflight < 1:
        raise UsageError(
            "--max-requests-inflight and --max-mutating-requests-inflight: their sum must be at least 1"
        )
    if bool(flags.oidc_issuer_url) != bool(flags.oidc_client_id):
        raise UsageError("--oidc-issuer-url and --oidc-client-id belong together")
    if flags.oidc_issuer_url and flags.authentication_config:
        raise UsageError("--authentication-config and the --oidc-* flags exclude each other")
    if (flags.audit_log_path or flags.audit_webhook_config_file) and not flags.audit_policy_file:
        raise UsageError("--audit-log-path and --audit-webhook-config-file need --audit-policy-file")
    check_buffer(flags.trace_buffer_bytes, flags.tracing_config_file)


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _oidc(flags: SecurityFlags) -> OidcConfig | None:
    if not flags.oidc_issuer_url:
        return None
    claims = dict(pair.partition("=")[::2] for pair in _parts(flags.oidc_required_claim))
    return OidcConfig(
        flags.oidc_issuer_url, flags.oidc_client_id, flags.oidc_username_claim or "sub", flags.oidc_username_prefix,
        flags.oidc_groups_claim, flags.oidc_groups_prefix, _path(flags.oidc_ca_file),
        _parts(flags.oidc_signing_algs) or ("RS256",), claims,
    )  # fmt: skip


def api_server_settings(flags: SecurityFlags, issuer: str, signing_key: Path) -> dict[str, Any]:
    """The fields of ApiServerConfig that these flags decide; `issuer` and `signing_key` are the cluster's own."""
    issuers = _parts(flags.service_account_issuer) or (issuer,)
    return {
        "anonymous_auth": flags.anonymous_auth,
        "enable_priority_and_fairness": flags.enable_priority_and_fairness,
        "max_requests_inflight": flags.max_requests_inflight,
        "max_mutating_requests_inflight": flags.max_mutating_requests_inflight,
        "authentication": AuthenticationConfig(
            _path(flags.authentication_config), flags.enable_bootstrap_token_auth, _oidc(flags),
            _path(flags.authentication_token_webhook_config_file), flags.authentication_token_webhook_version or "v1",
            seconds(flags.authentication_token_webhook_cache_ttl, 120.0),
        ),
        "authorization": AuthorizationConfig(
            _path(flags.authorization_config), _path(flags.authorization_webhook_config_file),
            flags.authorization_webhook_version or "v1",
            seconds(flags.authorization_webhook_cache_authorized_ttl, 300.0),
            seconds(flags.authorization_webhook_cache_unauthorized_ttl, 30.0),
        ),
        "audit": AuditConfig(
            _path(flags.audit_policy_file), flags.audit_log_path, flags.audit_log_format or "json",
            flags.audit_log_maxage, flags.audit_log_maxbackup, flags.audit_log_maxsize,
            _path(flags.audit_webhook_config_file), flags.audit_webhook_batch_max_size,
            seconds(flags.audit_webhook_batch_max_wait, 30.0),
        ),
        "tracing_config_file": _path(flags.tracing_config_file),
        "trace_buffer_bytes": flags.trace_buffer_bytes,
        "encryption_provider_config": _path(flags.encryption_provider_config),
        "service_account_issuer": issuers[0],
        "accepted_issuers": issuers[1:],
        "service_account_key_file": _path(flags.service_account_signing_key_file) or signing_key,
        "service_account_verification_keys": tuple(map(Path, _parts(flags.service_account_key_file))),
        "service_account_jwks_uri": flags.service_account_jwks_uri,
        "service_account_max_token_seconds": int(seconds(flags.service_account_max_token_expiration, 0.0)),
        "service_account_extend_token_expiration": flags.service_account_extend_token_expiration,
        "api_audiences": _parts(flags.api_audiences),
    }  # fmt: skip
