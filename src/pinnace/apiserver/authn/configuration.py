"""Builds the authenticators of bearer tokens from flags or from the file of `--authentication-config`."""

from pathlib import Path
from typing import Any

from pinnace.apiserver.authn.authenticator import Anonymous, TokenReviewer
from pinnace.apiserver.authn.service_accounts import Lookup
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.config_files import ConfigFileError, load_config_file, reject_unknown
from pinnace.component.clock import Clock

_API_VERSIONS = ("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1")


def build_reviewers(
    config: ApiServerConfig, clock: Clock, lookup: Lookup
) -> tuple[tuple[TokenReviewer, ...], Anonymous]:
    """In upstream's order, behind static and service-account tokens. Raises ValueError for what cannot be used."""
    settings = config.authentication
    made: list[TokenReviewer] = []
    anonymous = Anonymous(config.anonymous_auth)
    if settings.bootstrap_token_auth:
        from pinnace.apiserver.authn.bootstrap_tokens import BootstrapTokens

        made.append(BootstrapTokens(lookup, clock, config.audiences))
    issuers: list[Any] = []
    if settings.authentication_config is not None:
        if settings.oidc is not None:
            raise ValueError("authentication-config file and oidc-* flags are mutually exclusive")
        issuers, given = read_file(settings.authentication_config)
        anonymous = given or anonymous
    elif settings.oidc is not None:
        issuers = [from_flags(settings.oidc)]
    if issuers:
        from pinnace.apiserver.authn.oidc import OidcTokens

        made += [OidcTokens(issuer, clock, config.audiences) for issuer in issuers]
    if settings.token_webhook_config_file is not None:
        from pinnace.apiserver.authn.webhook import WebhookTokens
        from pinnace.apiserver.kubeconfig_webhook import KubeconfigWebhook

        client = KubeconfigWebhook(settings.token_webhook_config_file, clock)
        made.append(WebhookTokens(client, clock, config.audiences, version=settings.token_webhook_version,
                                  ttl_seconds=settings.token_webhook_cache_ttl_seconds))  # fmt: skip
    return tuple(made), anonymous


def from_flags(flags: Any) -> Any:
    from pinnace.apiserver.authn.jwk import ALGORITHMS
    from pinnace.apiserver.authn.oidc import ClaimMapping, Issuer

    if not flags.issuer_url.startswith("https://"):
        raise ValueError(
            f"oidc: 'oidc-issuer-url' ({flags.issuer_url!r}) has invalid scheme, require 'https'"
        )
    if not flags.client_id:
        raise ValueError(
            "oidc: oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
        )
    for algorithm in flags.signing_algs:
        if algorithm not in ALGORITHMS:
            raise ValueError(
                f"oidc: unsupported signing algorithm {algorithm!r}, supported are {', '.join(ALGORITHMS)}"
            )
    prefix = flags.username_prefix
    if prefix == "-":
        prefix = ""
    elif not prefix and flags.username_claim != "email":
        prefix = f"{flags.issuer_url}#"
    return Issuer(
        flags.issuer_url, (flags.client_id,), ClaimMapping(flags.username_claim, prefix),
        ClaimMapping(flags.groups_claim, flags.groups_prefix), required_claims=flags.required_claims,
        ca=flags.ca_file.read_text() if flags.ca_file else "", algorithms=flags.signing_algs,
    )  # fmt: skip


def read_file(path: Path) -> tuple[list[Any], Anonymous | None]:
    """(issuers, what it says of anonymous requests). Raises ConfigFileError."""
    content = load_config_file(path, "AuthenticationConfiguration", _API_VERSIONS)
    reject_unknown(path, "", content, ("kind", "apiVersion", "jwt", "anonymous"))
    issuers: list[Any] = []
    for number, entry in enumerate(content.get("jwt") or ()):
        where = f"jwt[{number}]"
        reject_unknown(
            path, where, entry, ("issuer", "claimValidationRules", "claimMappings", "userValidationRules")
        )
        made = _issuer(path, where, entry)
        if any(other.url == made.url for other in issuers):
            raise ConfigFileError(path, f'{where}.issuer.url: Duplicate value: "{made.url}"')
        issuers.append(made)
    return issuers, _anonymous(path, content.get("anonymous"))


def _anonymous(path: Path, body: Any) -> Anonymous | None:
    if body is None:
        return None
    reject_unknown(path, "anonymous", body, ("enabled", "conditions"))
    enabled, conditions = bool(body.get("enabled")), body.get("conditions") or []
    if conditions and not enabled:
        raise ConfigFileError(path, "anonymous.conditions: Invalid value: enabled should be set to true when conditions are defined")  # fmt: skip
    paths = frozenset(str(condition.get("path") or "") for condition in conditions)
    if "" in paths:
        raise ConfigFileError(path, "anonymous.conditions[].path: Required value")
    return Anonymous(enabled, paths if conditions else None)


def _issuer(path: Path, where: str, entry: dict[str, Any]) -> Any:
    from pinnace.apiserver.authn.claims import compile_rules
    from pinnace.apiserver.authn.jwk import ALGORITHMS
    from pinnace.apiserver.authn.oidc import ClaimMapping, Issuer

    body, mappings = entry.get("issuer") or {}, entry.get("claimMappings") or {}
    reject_unknown(path, f"{where}.issuer", body, ("url", "discoveryURL", "certificateAuthority", "audiences", "audienceMatchPolicy"))  # fmt: skip
    reject_unknown(path, f"{where}.claimMappings", mappings, ("username", "groups", "uid", "extra"))
    url, audiences = str(body.get("url") or ""), tuple(body.get("audiences") or ())
    for field, address in (("url", url), ("discoveryURL", str(body.get("discoveryURL") or url))):
        if not address.startswith("https://"):
            why = (
                "Required value: URL is required"
                if not address
                else f'Invalid value: "{address}": URL scheme must be https'
            )
            raise ConfigFileError(path, f"{where}.issuer.{field}: {why}")
    if not audiences:
        raise ConfigFileError(path, f"{where}.issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required")  # fmt: skip
    if len(audiences) > 1 and body.get("audienceMatchPolicy") != "MatchAny":
        raise ConfigFileError(path, f'{where}.issuer.audienceMatchPolicy: Invalid value: "{body.get("audienceMatchPolicy", "")}": audienceMatchPolicy must be MatchAny for multiple audiences')  # fmt: skip
    username = mappings.get("username") or {}
    rules = compile_rules(path, where, entry)
    if not username.get("claim") and not username.get("expression"):
        raise ConfigFileError(
            path, f"{where}.claimMappings.username: Required value: claim or expression is required"
        )
    for name in ("username", "groups"):
        mapping = mappings.get(name) or {}
        if mapping.get("claim") and mapping.get("prefix") is None:
            raise ConfigFileError(path, f"{where}.claimMappings.{name}.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing")  # fmt: skip
    groups, required = mappings.get("groups") or {}, {}
    for rule in entry.get("claimValidationRules") or ():
        if not rule.get("claim"):
            continue
        required[str(rule.get("claim"))] = str(rule.get("requiredValue") or "")
    return Issuer(
        url, audiences, ClaimMapping(username.get("claim", ""), username.get("prefix") or ""),
        ClaimMapping(groups.get("claim", ""), groups.get("prefix") or ""),
        uid_claim=(mappings.get("uid") or {}).get("claim", ""), required_claims=required,
        discovery_url=str(body.get("discoveryURL") or ""), ca=str(body.get("certificateAuthority") or ""),
        algorithms=ALGORITHMS, rules=rules,
    )  # fmt: skip
