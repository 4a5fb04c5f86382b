"""Builds the authorizers that `--authorization-mode` or the file of `--authorization-config` asks for, in their order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pinnace.apiserver.authz.bootstrap_policy import node_rules
from pinnace.apiserver.authz.modes import MODES, check_modes
from pinnace.apiserver.authz.policy_source import StoredPolicy
from pinnace.apiserver.authz.rbac import AlwaysAllow, Authorizer, RbacAuthorizer
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.config_files import ConfigFileError, load_config_file, reject_unknown
from pinnace.apiserver.registry.catalog import Registries
from pinnace.component.clock import Clock

_API_VERSIONS = ("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1")
_WEBHOOK_FIELDS = (
    "authorizedTTL", "cacheAuthorizedRequests", "unauthorizedTTL", "cacheUnauthorizedRequests", "timeout",
    "subjectAccessReviewVersion", "matchConditionSubjectAccessReviewVersion", "failurePolicy", "connectionInfo",
    "matchConditions",
)  # fmt: skip


def build_authorizer(config: ApiServerConfig, registries: Registries, clock: Clock) -> Authorizer:
    """Raises ValueError for a configuration that cannot be used."""
    settings = config.authorization
    if settings.authorization_config is not None:
        return _joined(list(_from_file(settings.authorization_config, registries, clock)))
    check_modes(config.authorization_modes)
    return _joined([_of_mode(mode, config, registries, clock) for mode in config.authorization_modes])


def _joined(authorizers: list[Authorizer]) -> Authorizer:
    if len(authorizers) == 1 and isinstance(authorizers[0], AlwaysAllow | RbacAuthorizer):
        return authorizers[0]
    from pinnace.apiserver.authz.union import Union

    return Union(authorizers)


def _of_mode(mode: str, config: ApiServerConfig, registries: Registries, clock: Clock) -> Authorizer:
    if mode != "Webhook":
        return _simple(mode, registries)
    from pinnace.apiserver.authz.webhook import WebhookAuthorizer
    from pinnace.apiserver.kubeconfig_webhook import KubeconfigWebhook

    settings = config.authorization
    if settings.webhook_config_file is None:
        raise ValueError("authorization-mode Webhook's authorization config file not passed")
    return WebhookAuthorizer(
        KubeconfigWebhook(settings.webhook_config_file, clock), clock, version=settings.webhook_version,
        authorized_seconds=settings.webhook_cache_authorized_ttl_seconds,
        unauthorized_seconds=settings.webhook_cache_unauthorized_ttl_seconds,
    )  # fmt: skip


def _simple(mode: str, registries: Registries) -> Authorizer:
    match mode:
        case "AlwaysAllow":
            return AlwaysAllow()
        case "AlwaysDeny":
            from pinnace.apiserver.authz.union import AlwaysDeny

            return AlwaysDeny()
        case "Node":
            from pinnace.apiserver.authz.node import NodeAuthorizer
            from pinnace.apiserver.authz.node_graph import NodeGraph

            return NodeAuthorizer(NodeGraph(registries), node_rules())
    return RbacAuthorizer(StoredPolicy(registries))


def _from_file(path: Path, registries: Registries, clock: Clock) -> Iterator[Authorizer]:
    content = load_config_file(path, "AuthorizationConfiguration", _API_VERSIONS)
    entries, seen = content.get("authorizers") or [], set()
    if not entries:
        raise ConfigFileError(
            path, "authorizers: Required value: at least one authorization mode must be defined"
        )
    for number, entry in enumerate(entries):
        where, kind, name = f"authorizers[{number}]", entry.get("type", ""), entry.get("name", "")
        reject_unknown(path, where, entry, ("type", "name", "webhook"))
        if kind not in MODES:
            supported = ", ".join(f'"{mode}"' for mode in MODES)
            raise ConfigFileError(
                path, f'{where}.type: Unsupported value: "{kind}": supported values: {supported}'
            )
        if not name:
            raise ConfigFileError(path, f"{where}.name: Required value")
        if name in seen or (kind != "Webhook" and any(e.get("type") == kind for e in entries[:number])):
            raise ConfigFileError(path, f'{where}: Duplicate value: "{name if name in seen else kind}"')
        seen.add(name)
        if kind != "Webhook":
            yield _simple(kind, registries)
            continue
        yield _webhook(path, f"{where}.webhook", entry.get("webhook") or {}, clock)


def _webhook(path: Path, where: str, body: dict[str, Any], clock: Clock) -> Authorizer:
    from pinnace.apiserver.authz.webhook import WebhookAuthorizer
    from pinnace.apiserver.filters.deadline import parse_duration
    from pinnace.apiserver.kubeconfig_webhook import KubeconfigWebhook

    reject_unknown(path, where, body, _WEBHOOK_FIELDS)
    connection = body.get("connectionInfo") or {}
    if connection.get("type") != "KubeConfigFile" or not connection.get("kubeConfigFile"):
        raise ConfigFileError(path, f'{where}.connectionInfo.type: Unsupported value: "{connection.get("type", "")}": supported values: "KubeConfigFile" with kubeConfigFile')  # fmt: skip
    policy = body.get("failurePolicy")
    if policy not in ("NoOpinion", "Deny"):
        raise ConfigFileError(path, f'{where}.failurePolicy: Unsupported value: "{policy or ""}": supported values: "NoOpinion", "Deny"')  # fmt: skip
    version = body.get("subjectAccessReviewVersion", "")
    if version not in ("v1", "v1beta1"):
        raise ConfigFileError(path, f'{where}.subjectAccessReviewVersion: Unsupported value: "{version}": supported values: "v1", "v1beta1"')  # fmt: skip
    timeout = parse_duration(str(body.get("timeout") or ""))
    if not 0 < timeout <= 30:
        raise ConfigFileError(path, f'{where}.timeout: Invalid value: "{body.get("timeout", "")}": must be > 0s and <= 30s')  # fmt: skip
    made = WebhookAuthorizer(
        KubeconfigWebhook(Path(connection["kubeConfigFile"]), clock, timeout_seconds=timeout), clock, version=version,
        authorized_seconds=_ttl(body, "authorizedTTL", "cacheAuthorizedRequests", "5m"),
        unauthorized_seconds=_ttl(body, "unauthorizedTTL", "cacheUnauthorizedRequests", "30s"),
        deny_on_failure=policy == "Deny",
    )  # fmt: skip
    conditions = body.get("matchConditions")
    if not conditions:
        return made
    from pinnace.apiserver.authz.match_conditions import conditional

    if body.get("matchConditionSubjectAccessReviewVersion") != "v1":
        raise ConfigFileError(path, f'{where}.matchConditionSubjectAccessReviewVersion: Unsupported value: "{body.get("matchConditionSubjectAccessReviewVersion") or ""}": supported values: "v1"')  # fmt: skip
    return conditional(path, f"{where}.matchConditions", conditions, made, deny_on_failure=policy == "Deny")


def _ttl(body: dict[str, Any], field: str, switch: str, default: str) -> float:
    from pinnace.apiserver.filters.deadline import parse_duration

    return parse_duration(str(body.get(field) or default)) if body.get(switch, True) else 0.0
