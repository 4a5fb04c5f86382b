"""CEL in an AuthenticationConfiguration: what claims say about the user, and which claims and users are accepted.

`claims` is the token's payload, `user` what was made of it. https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinnace.apimachinery import cel
from pinnace.apiserver.authn.oidc import Refused
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.config_files import ConfigFileError, reject_unknown

Claims = Mapping[str, Any]
_TEXTS = cel.list_of(cel.STRING)
_USER = cel.object_type(
    "kubernetes.UserInfo",
    {
        "username": cel.Field(cel.STRING, "username"), "uid": cel.Field(cel.STRING, "uid"),
        "groups": cel.Field(_TEXTS, "groups"), "extra": cel.Field(cel.map_of(cel.STRING, _TEXTS), "extra"),
    },
)  # fmt: skip
_KEY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[^\sA-Z]+\Z")


@dataclass(frozen=True, slots=True)
class Check:
    program: cel.Program
    message: str

    def apply(self, variables: Mapping[str, Any], what: str) -> None:
        """Raises Refused unless the expression is true."""
        if _run(self.program, variables) is not True:
            raise Refused(f"oidc: error evaluating {what} rule: {self.message or self.program.source}")


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """A program that is None leaves its place to the claim that is named beside it."""

    username: cel.Program | None
    groups: cel.Program | None
    uid: cel.Program | None
    extra: Sequence[tuple[str, cel.Program]]
    claim_checks: Sequence[Check]
    user_checks: Sequence[Check]

    def check_claims(self, claims: Claims) -> None:
        for check in self.claim_checks:
            check.apply({"claims": claims}, "claim validation")

    def name(self, claims: Claims) -> str:
        assert self.username is not None
        found = _run(self.username, {"claims": claims})
        if not isinstance(found, str) or not found:
            raise Refused("oidc: username claim expression returned an empty string or no text")
        return found

    def group_names(self, claims: Claims) -> tuple[str, ...]:
        assert self.groups is not None
        return _texts(_run(self.groups, {"claims": claims}), "groups")

    def uid_of(self, claims: Claims) -> str:
        assert self.uid is not None
        found = _run(self.uid, {"claims": claims})
        if not isinstance(found, str):
            raise Refused("oidc: uid claim expression must return a string")
        return found

    def extra_of(self, claims: Claims) -> dict[str, tuple[str, ...]]:
        """Keys whose expression gives nothing are left out."""
        found = {
            key: _texts(_run(program, {"claims": claims}), f"extra {key}") for key, program in self.extra
        }
        return {key: values for key, values in found.items() if values}

    def check_user(self, user: User) -> None:
        if self.user_checks:
            shown = {"username": user.name, "uid": user.uid, "groups": list(user.groups),
                     "extra": {key: list(values) for key, values in user.extra.items()}}  # fmt: skip
            for check in self.user_checks:
                check.apply({"user": shown}, "user info validation")


def _run(program: cel.Program, variables: Mapping[str, Any]) -> Any:
    try:
        return cel.to_json(program.evaluate(variables))
    except cel.EvaluationError as error:
        raise Refused(f"oidc: error evaluating {program.source!r}: {error}") from error


def _texts(found: Any, what: str) -> tuple[str, ...]:
    listed = [found] if isinstance(found, str) else found if found is not None else []
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise Refused(f"oidc: {what} expression must return a string or a list of strings")
    return tuple(filter(None, listed))


def compile_rules(path: Path, where: str, entry: dict[str, Any]) -> ClaimRules | None:
    """None when nothing of the entry is an expression. Raises ConfigFileError."""
    mappings = entry.get("claimMappings") or {}
    claims = cel.Environment({"claims": cel.map_of(cel.STRING, cel.DYN)})
    users = cel.Environment({"user": _USER})
    made: dict[str, cel.Program | None] = {}
    for name in ("username", "groups", "uid"):
        mapping, at = mappings.get(name) or {}, f"{where}.claimMappings.{name}"
        reject_unknown(path, at, mapping, ("claim", "expression", "prefix"))
        if mapping.get("expression") and (mapping.get("claim") or mapping.get("prefix") is not None):
            raise ConfigFileError(
                path, f'{at}: Invalid value: "": claim and prefix can\'t be set when expression is set'
            )
        made[name] = _compiled(path, f"{at}.expression", claims, mapping.get("expression"))
    rules = ClaimRules(
        made["username"], made["groups"], made["uid"],
        list(_extra(path, f"{where}.claimMappings.extra", claims, mappings.get("extra") or ())),
        _checks(path, f"{where}.claimValidationRules", claims, entry.get("claimValidationRules") or ()),
        _checks(path, f"{where}.userValidationRules", users, entry.get("userValidationRules") or ()),
    )  # fmt: skip
    _require_verified_email(path, where, rules)
    used = any((*made.values(), rules.extra, rules.claim_checks, rules.user_checks))
    return rules if used else None


def _require_verified_email(path: Path, where: str, rules: ClaimRules) -> None:
    """Upstream's: an expression that uses claims.email must look at claims.email_verified somewhere."""
    if rules.username is None or "claims.email" not in rules.username.source.replace(
        "claims.email_verified", ""
    ):
        return
    others = [rules.username.source, *(program.source for _, program in rules.extra), *(check.program.source for check in rules.claim_checks)]  # fmt: skip
    if not any("claims.email_verified" in source for source in others):
        raise ConfigFileError(path, f"{where}.claimMappings.username.expression: Invalid value: claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression")  # fmt: skip


def _compiled(
    path: Path, where: str, environment: cel.Environment, source: Any, result: Any = None
) -> cel.Program | None:
    if not source:
        return None
    try:
        return environment.compile(str(source), result)
    except cel.CompileError as error:
        raise ConfigFileError(
            path, f'{where}: Invalid value: "{source}": compilation failed: {error}'
        ) from None


def _extra(path: Path, where: str, environment: cel.Environment, entries: Any) -> Any:
    seen = set()
    for number, entry in enumerate(entries):
        at, key = f"{where}[{number}]", str(entry.get("key") or "")
        reject_unknown(path, at, entry, ("key", "valueExpression"))
        domain = key.partition("/")[0]
        reserved = any(domain == name or domain.endswith(f".{name}") for name in ("kubernetes.io", "k8s.io"))
        if not _KEY.match(key) or reserved or key in seen:
            why = (
                "k8s.io, kubernetes.io and their subdomains are reserved"
                if reserved
                else "must be unique, lowercase and a path with a domain"
            )
            raise ConfigFileError(path, f'{at}.key: Invalid value: "{key}": {why}')
        seen.add(key)
        program = _compiled(path, f"{at}.valueExpression", environment, entry.get("valueExpression"))
        if program is None:
            raise ConfigFileError(path, f"{at}.valueExpression: Required value: valueExpression is required")
        yield key, program


def _checks(path: Path, where: str, environment: cel.Environment, rules: Any) -> list[Check]:
    found = []
    for number, rule in enumerate(rules):
        at = f"{where}[{number}]"
        reject_unknown(path, at, rule, ("claim", "requiredValue", "expression", "message"))
        if rule.get("claim") and rule.get("expression"):
            raise ConfigFileError(
                path, f'{at}: Invalid value: "{rule["claim"]}": claim and expression can\'t both be set'
            )
        if not rule.get("claim") and not rule.get("expression"):
            raise ConfigFileError(path, f"{at}: Required value: claim or expression is required")
        program = _compiled(path, f"{at}.expression", environment, rule.get("expression"), cel.BOOL)
        if program is not None:
            found.append(Check(program, str(rule.get("message") or "")))
    return found
