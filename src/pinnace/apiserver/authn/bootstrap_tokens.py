"""Bootstrap tokens, `abcdef.0123456789abcdef`: Secrets of kube-system with which a new node makes itself known.

Facts: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import base64
import binascii
import hmac
import logging
import re
from collections.abc import Mapping
from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery.times import parse_time
from pinnace.apiserver.authn.service_accounts import Lookup
from pinnace.apiserver.authn.user import User
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)
SECRET_TYPE, NAMESPACE = "bootstrap.kubernetes.io/token", "kube-system"
PREFIX, USER_PREFIX, DEFAULT_GROUP = "bootstrap-token-", "system:bootstrap:", "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})\Z")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\Z")


class BootstrapTokens:
    """Implements `authenticator.TokenReviewer`."""

    def __init__(self, lookup: Lookup, clock: Clock, audiences: tuple[str, ...]) -> None:
        self._lookup, self._clock, self._audiences = lookup, clock, audiences

    async def review(
        self, token: str, audiences: tuple[str, ...] = ()
    ) -> tuple[User, tuple[str, ...]] | None:
        match = _TOKEN.match(token)
        if match is None:
            return None
        identity, secret_part = match.groups()
        secret = await self._lookup(r.SECRETS, NAMESPACE, PREFIX + identity)
        if secret is None or not self._is_good(secret, identity, secret_part):
            return None
        groups = _groups(secret)
        accepted = tuple(a for a in (audiences or self._audiences) if a in self._audiences)
        if groups is None or not accepted:
            return None
        return User(USER_PREFIX + identity, groups), accepted

    def _is_good(self, secret: Mapping[str, Any], identity: str, secret_part: str) -> bool:
        if secret.get("type") != SECRET_TYPE or secret["metadata"].get("deletionTimestamp"):
            return False
        if not hmac.compare_digest(_field(secret, "token-secret").encode(), secret_part.encode()):
            return False
        if _field(secret, "token-id") != identity or self._is_expired(secret):
            return False
        return _field(secret, "usage-bootstrap-authentication") == "true"

    def _is_expired(self, secret: Mapping[str, Any]) -> bool:
        text = _field(secret, "expiration")
        if not text:
            return False
        try:
            return parse_time(text) <= self._clock.now()
        except ValueError:
            log.warning("secret %s: expiration %r is no time", secret["metadata"]["name"], text)
            return True


def _field(secret: Mapping[str, Any], name: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(name) or "").decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _groups(secret: Mapping[str, Any]) -> tuple[str, ...] | None:
    """None when one of them is not a group that a bootstrap token may give."""
    extra = [name for name in _field(secret, "auth-extra-groups").split(",") if name]
    if not all(_GROUP.match(name) for name in extra):
        return None
    return (DEFAULT_GROUP, *sorted(set(extra) - {DEFAULT_GROUP}))
