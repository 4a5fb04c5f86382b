"""Service-account tokens: issuing bound tokens, verifying bound and legacy ones against the objects they are bound to.

Claims: https://github.com/kubernetes/kubernetes/blob/master/pkg/serviceaccount/claims.go
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.authn.user import User
from pinnace.component.clock import Clock

Object = Mapping[str, Any]
Lookup = Callable[[GVR, str, str], Awaitable[Object | None]]  # (resource, namespace, name)
LEGACY_ISSUER = "kubernetes/serviceaccount"
PREFIX = "system:serviceaccount:"
_PRIVATE = "kubernetes.io"
_LEEWAY_SECONDS = 60
_REMEMBERED = 5000
_BOUND_KINDS = {"pod": r.PODS, "secret": r.SECRETS, "node": r.NODES}


def user_name(namespace: str, name: str) -> str:
    return f"{PREFIX}{namespace}:{name}"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a token dies with: a pod (and the node it runs on), a secret or a node."""

    kind: str  # "pod", "secret", "node"
    name: str
    uid: str
    node_name: str = ""
    node_uid: str = ""


class ServiceAccountTokens:
    """The key is read at first use, so that a server starts without loading the cryptography."""

    def __init__(
        self, key_file: Path, issuers: tuple[str, ...], audiences: tuple[str, ...], clock: Clock, lookup: Lookup,
        verification_keys: tuple[Path, ...] = (),
    ) -> None:  # fmt: skip
        self._key_file, self.issuer, self.audiences = key_file, issuers[0], audiences
        self._issuers, self._more_keys = issuers, verification_keys
        self._clock, self._lookup = clock, lookup
        self._public: dict[str, Any] = {}  # by key id, once they are needed
        self._private: Any = None
        self._verified: dict[str, Mapping[str, Any]] = {}  # claims of tokens whose signature was found right

    def _key(self) -> Any:
        if self._private is None:
            from pinnace.apiserver.authn import jwt

            self._private = jwt.load_private_key(self._key_file.read_bytes())
        return self._private

    def _public_keys(self) -> dict[str, Any]:
        """That of the signing key first, then those of former keys and of other servers."""
        if not self._public:
            from pinnace.apiserver.authn import jwt

            keys = [self._key().public_key()]
            for path in self._more_keys:
                keys += jwt.load_public_keys(path.read_bytes())
            self._public = {jwt.key_id(key): key for key in keys}
        return self._public

    def issue_legacy(self, account: Object, secret: Object) -> str:
        """A token without an end, for a Secret of type kubernetes.io/service-account-token."""
        from pinnace.apiserver.authn import jwt

        metadata = account["metadata"]
        claims = {
            "iss": LEGACY_ISSUER,
            f"{LEGACY_ISSUER}/namespace": metadata["namespace"],
            f"{LEGACY_ISSUER}/secret.name": secret["metadata"]["name"],
            f"{LEGACY_ISSUER}/service-account.name": metadata["name"],
            f"{LEGACY_ISSUER}/service-account.uid": metadata["uid"],
            "sub": user_name(metadata["namespace"], metadata["name"]),
        }
        return jwt.sign(claims, self._key())

    def issue(
        self, account: Object, audiences: tuple[str, ...], seconds: int, binding: Binding | None, *,
        warn_after_seconds: int = 0,
    ) -> tuple[str, int, str]:  # fmt: skip
        """(token, moment of expiry, id). `warn_after_seconds`: the token lasts longer than its holder was told."""
        from pinnace.apiserver.authn import jwt

        now = int(self._clock.now().timestamp())
        metadata = account["metadata"]
        private: dict[str, Any] = {
            "namespace": metadata["namespace"],
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        }
        if binding is not None:
            private[binding.kind] = {"name": binding.name, "uid": binding.uid}
            if binding.node_name:
                private["node"] = {"name": binding.node_name, "uid": binding.node_uid}
        if warn_after_seconds:
            private["warnafter"] = now + warn_after_seconds
        claims = {
            "aud": list(audiences or self.audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            _PRIVATE: private,
            "nbf": now,
            "sub": user_name(metadata["namespace"], metadata["name"]),
        }
        return jwt.sign(claims, self._key()), now + (warn_after_seconds or seconds), str(claims["jti"])

    def key_set(self) -> dict[str, Any]:
        """The JWKS document."""
        from pinnace.apiserver.authn import jwt

        return {"keys": [jwt.public_jwk(key) for key in self._public_keys().values()]}

    def algorithms(self) -> list[str]:
        from pinnace.apiserver.authn import jwt

        return sorted({jwt.algorithm(key) for key in self._public_keys().values()})

    async def review(
        self, token: str, audiences: tuple[str, ...] = ()
    ) -> tuple[User, tuple[str, ...]] | None:
        if token.count(".") != 2:
            return None
        claims = self._claims(token)
        if claims is None:
            return None
        if claims.get("iss") == LEGACY_ISSUER:
            return await self._legacy(claims, token, audiences)
        return await self._bound(claims, audiences)

    def _claims(self, token: str) -> Mapping[str, Any] | None:
        """Signatures are checked once per token; whether the token still holds is asked each time."""
        known = self._verified.get(token)
        if known is not None:
            return known
        from pinnace.apiserver.authn import jwt

        try:
            claims = jwt.verify(token, self._public_keys())
        except jwt.InvalidToken:
            return None
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = claims
        return claims

    async def _bound(
        self, claims: Mapping[str, Any], audiences: tuple[str, ...]
    ) -> tuple[User, tuple[str, ...]] | None:
        if claims.get("iss") not in self._issuers or not _is_in_time(claims, self._clock.now()):
            return None
        given = claims.get("aud") or ()
        matching = tuple(a for a in (audiences or self.audiences) if a in given)
        private = claims.get(_PRIVATE)
        if not matching or not isinstance(private, dict):
            return None
        namespace, own = str(private.get("namespace", "")), private.get("serviceaccount") or {}
        if not await self._is_current(r.SERVICE_ACCOUNTS, namespace, own):
            return None
        for kind, gvr in _BOUND_KINDS.items():
            reference = private.get(kind)
            informative = kind == "node" and "pod" in private
            if reference and not informative and not await self._is_current(gvr, namespace, reference):
                return None
        return _user(namespace, own, private, str(claims.get("jti", ""))), matching

    async def _legacy(
        self, claims: Mapping[str, Any], token: str, audiences: tuple[str, ...]
    ) -> tuple[User, tuple[str, ...]] | None:
        """A token from a Secret of type kubernetes.io/service-account-token: good while the secret holds it."""
        namespace = str(claims.get(f"{LEGACY_ISSUER}/namespace", ""))
        account = {
            "name": claims.get(f"{LEGACY_ISSUER}/service-account.name"),
            "uid": claims.get(f"{LEGACY_ISSUER}/service-account.uid"),
        }
        matching = tuple(a for a in (audiences or self.audiences) if a in self.audiences)
        secret = await self._lookup(r.SECRETS, namespace, str(claims.get(f"{LEGACY_ISSUER}/secret.name", "")))
        if not matching or secret is None or not _holds(secret, token):
            return None
        if not await self._is_current(r.SERVICE_ACCOUNTS, namespace, account):
            return None
        return _user(namespace, account, {}, ""), matching

    async def _is_current(self, gvr: GVR, namespace: str, reference: Mapping[str, Any]) -> bool:
        """The object exists, is the same one, and has not been terminating for more than a minute."""
        row_namespace = "" if gvr == r.NODES else namespace
        obj = await self._lookup(gvr, row_namespace, str(reference.get("name", "")))
        if obj is None or obj["metadata"].get("uid") != reference.get("uid"):
            return False
        deletion = obj["metadata"].get("deletionTimestamp")
        if deletion is None:
            return True
        from pinnace.apimachinery.times import parse_time

        return (self._clock.now() - parse_time(deletion)).total_seconds() < _LEEWAY_SECONDS


def _is_in_time(claims: Mapping[str, Any], now: datetime) -> bool:
    try:
        return (
            float(claims["exp"]) > now.timestamp()
            and float(claims.get("nbf", 0)) <= now.timestamp() + _LEEWAY_SECONDS
        )
    except (KeyError, TypeError, ValueError):
        return False


def _holds(secret: Object, token: str) -> bool:
    import base64

    stored = (secret.get("data") or {}).get("token", "")
    return bool(base64.b64encode(token.encode()).decode() == stored)


def _user(namespace: str, account: Mapping[str, Any], private: Mapping[str, Any], token_id: str) -> User:
    extra: dict[str, tuple[str, ...]] = {}
    if token_id:
        extra["authentication.kubernetes.io/credential-id"] = (f"JTI={token_id}",)
    for kind in ("node", "pod"):
        reference = private.get(kind)
        if reference:
            extra[f"authentication.kubernetes.io/{kind}-name"] = (reference.get("name", ""),)
            extra[f"authentication.kubernetes.io/{kind}-uid"] = (reference.get("uid", ""),)
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(
        user_name(namespace, str(account.get("name", ""))), groups, str(account.get("uid", "")), extra
    )
