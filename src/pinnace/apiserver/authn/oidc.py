"""Tokens of OpenID Connect issuers: discovery, keys that are fetched and kept, and what the claims say about the user.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens
An issuer is asked at the first token of its own, so an unreachable one stops neither the start nor other tokens.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from pinnace.apiserver.authn.user import User
from pinnace.component.clock import Clock

if TYPE_CHECKING:
    import aiohttp

    from pinnace.apiserver.authn.claims import ClaimRules

log = logging.getLogger(__name__)
Claims = Mapping[str, Any]
_KEYS_AT_LEAST_SECONDS = 10.0  # between two fetches that unknown key ids ask for
_DISCOVERY_AGAIN_SECONDS = 10.0
_TIMEOUT_SECONDS = 30.0
_LEEWAY_SECONDS = 0


class Refused(Exception):
    """Why a token of this issuer is not accepted; for the log."""


@dataclass(frozen=True, slots=True)
class ClaimMapping:
    claim: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One `jwt` entry of an AuthenticationConfiguration, or what the `--oidc-*` flags say."""

    url: str
    audiences: tuple[str, ...]
    username: ClaimMapping
    groups: ClaimMapping = field(default_factory=ClaimMapping)
    uid_claim: str = ""
    required_claims: Mapping[str, str] = field(default_factory=dict)
    discovery_url: str = ""
    ca: str = ""  # PEM; "" means the machine's authorities
    algorithms: tuple[str, ...] = ("RS256",)
    rules: "ClaimRules | None" = None  # CEL expressions


class OidcTokens:
    """Implements `authenticator.TokenReviewer` for one issuer."""

    def __init__(self, issuer: Issuer, clock: Clock, api_audiences: tuple[str, ...]) -> None:
        self.issuer, self._clock, self._api_audiences = issuer, clock, api_audiences
        self._keys: dict[str, tuple[Any, str]] = {}  # key id -> (key, algorithm or "")
        self._jwks_uri = ""
        self._asked_at = self._discovered_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def review(
        self, token: str, audiences: tuple[str, ...] = ()
    ) -> tuple[User, tuple[str, ...]] | None:
        from pinnace.apiserver.authn import jwt

        try:
            header, claims, payload, signature = jwt.split(token)
        except jwt.InvalidToken:
            return None
        if claims.get("iss") != self.issuer.url:
            return None
        accepted = tuple(a for a in (audiences or self._api_audiences) if a in self._api_audiences)
        if not accepted:
            return None
        try:
            await self._check_signature(header, payload, signature)
            self._check_claims(claims)
            return user_of(self.issuer, claims), accepted
        except (Refused, jwt.InvalidToken) as error:
            log.info("oidc: a token of %s is refused: %s", self.issuer.url, error)
            return None

    def _check_claims(self, claims: Claims) -> None:
        now = self._clock.now().timestamp()
        try:
            expired = float(claims["exp"]) + _LEEWAY_SECONDS <= now
            early = float(claims.get("nbf", 0)) > now + 300
        except (KeyError, TypeError, ValueError):
            raise Refused("oidc: no expiry") from None
        if expired or early:
            raise Refused("oidc: token is expired" if expired else "oidc: token is not valid yet")
        given = claims.get("aud")
        given = [given] if isinstance(given, str) else given or []
        if not set(given) & set(self.issuer.audiences):
            raise Refused(f"oidc: expected audience in {list(self.issuer.audiences)} got {given}")
        for claim, wanted in self.issuer.required_claims.items():
            if claim not in claims:
                raise Refused(f"oidc: required claim {claim} not present in ID token")
            if claims[claim] != wanted:
                raise Refused(f"oidc: required claim {claim} value does not match. Got = {claims[claim]}, want = {wanted}")  # fmt: skip

    async def _check_signature(self, header: Claims, payload: bytes, signature: bytes) -> None:
        from pinnace.apiserver.authn.jwk import check_signature

        algorithm, wanted = str(header.get("alg", "")), str(header.get("kid", ""))
        if algorithm not in self.issuer.algorithms:
            raise Refused(f"oidc: token signed with unsupported algorithm, expected {list(self.issuer.algorithms)} got {algorithm}")  # fmt: skip
        found = self._find_keys(wanted)
        if not found and self._clock.monotonic() - self._asked_at > _KEYS_AT_LEAST_SECONDS:
            await self._fetch_keys(wanted)
            found = self._find_keys(wanted)
        for key, only in found:
            if only and only != algorithm:
                continue
            check_signature(key, algorithm, payload, signature)
            return
        raise Refused("failed to verify signature: no key of the issuer fits")

    def _find_keys(self, wanted: str) -> list[tuple[Any, str]]:
        if wanted:
            return [self._keys[wanted]] if wanted in self._keys else []
        return list(self._keys.values()) if len(self._keys) == 1 else []

    async def _fetch_keys(self, wanted: str) -> None:
        from pinnace.apiserver.authn.jwk import load_jwk

        async with self._fetching:
            if self._find_keys(wanted) or self._clock.monotonic() - self._asked_at <= _KEYS_AT_LEAST_SECONDS:
                return
            if not self._jwks_uri:
                await self._discover()
            document = await self._get(self._jwks_uri)
            self._asked_at = self._clock.monotonic()
            keys = {}
            for number, entry in enumerate(document.get("keys") or ()):
                key = load_jwk(entry)
                if key is not None:
                    keys[str(entry.get("kid") or f"#{number}")] = (key, str(entry.get("alg") or ""))
            self._keys = keys

    async def _discover(self) -> None:
        if self._clock.monotonic() - self._discovered_at < _DISCOVERY_AGAIN_SECONDS:
            raise Refused("oidc: authenticator not initialized")
        self._discovered_at = self._clock.monotonic()
        url = self.issuer.discovery_url or f"{self.issuer.url.rstrip('/')}/.well-known/openid-configuration"
        document = await self._get(url)
        if document.get("issuer") != self.issuer.url:
            raise Refused(f'oidc: issuer did not match the issuer returned by provider, expected "{self.issuer.url}" got "{document.get("issuer")}"')  # fmt: skip
        self._jwks_uri = str(document.get("jwks_uri") or "")
        if not self._jwks_uri:
            raise Refused("oidc: the discovery document names no jwks_uri")

    async def _get(self, url: str) -> dict[str, Any]:
        import aiohttp

        try:
            if self._session is None:
                tls = await asyncio.to_thread(ssl.create_default_context, cadata=self.issuer.ca or None)
                self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls))
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
            async with self._session.get(url, timeout=timeout) as answer:
                body = await answer.read()
                if answer.status != 200:
                    raise Refused(f"{url} answered {answer.status}")
            found = orjson.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
            raise Refused(f"{url}: {error}") from error
        if not isinstance(found, dict):
            raise Refused(f"{url}: not a JSON object")
        return found

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def user_of(issuer: Issuer, claims: Claims) -> User:
    """Raises Refused."""
    rules = issuer.rules
    if rules is not None:
        rules.check_claims(claims)
    name = rules.name(claims) if rules and rules.username else issuer.username.prefix + _name(issuer, claims)
    groups = rules.group_names(claims) if rules and rules.groups else _groups(issuer, claims)
    uid = (
        rules.uid_of(claims)
        if rules and rules.uid
        else str(claims.get(issuer.uid_claim, "") if issuer.uid_claim else "")
    )
    extra = rules.extra_of(claims) if rules else {}
    if isinstance(claims.get("jti"), str):
        extra["authentication.kubernetes.io/credential-id"] = (f"JTI={claims['jti']}",)
    user = User(name, groups, uid, extra)
    if rules is not None:
        rules.check_user(user)
    return user


def _name(issuer: Issuer, claims: Claims) -> str:
    name = claims.get(issuer.username.claim)
    if not isinstance(name, str):
        raise Refused(f"oidc: parse username claims {issuer.username.claim!r}: claim not present or no text")
    if (
        issuer.username.claim == "email"
        and "email_verified" in claims
        and claims["email_verified"] is not True
    ):
        raise Refused("oidc: email not verified")
    return name


def _groups(issuer: Issuer, claims: Claims) -> tuple[str, ...]:
    given = claims.get(issuer.groups.claim) if issuer.groups.claim else None
    if given is None:
        return ()
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
        raise Refused(f"oidc: parse groups claim {issuer.groups.claim!r}: neither text nor a list of texts")
    return tuple(issuer.groups.prefix + entry for entry in listed)
