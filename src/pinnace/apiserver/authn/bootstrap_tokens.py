"""Bootstrap tokens, `abcdef.0123456789abcdef`: Secrets of kube-system with which a new node makes itself known.

Facts: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import hmac
import re
from collections.abc import Mapping
from typing import Any

from pinnace.api import resources as r
from pinnace.api.core import bootstrap_tokens as tokens
from pinnace.apiserver.authn.service_accounts import Lookup
from pinnace.apiserver.authn.user import User
from pinnace.component.clock import Clock

USER_PREFIX, DEFAULT_GROUP = "system:bootstrap:", "system:bootstrappers"
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
        secret = await self._lookup(r.SECRETS, tokens.NAMESPACE, tokens.PREFIX + identity)
        if secret is None or not self._is_good(secret, identity, secret_part):
            return None
        groups = _groups(secret)
        accepted = tuple(a for a in (audiences or self._audiences) if a in self._audiences)
        if groups is None or not accepted:
            return None
        return User(USER_PREFIX + identity, groups), accepted

    def _is_good(self, secret: Mapping[str, Any], identity: str, secret_part: str) -> bool:
        if secret.get("type") != tokens.SECRET_TYPE or secret["metadata"].get("deletionTimestamp"):
            return False
        if not hmac.compare_digest(tokens.field(secret, "token-secret").encode(), secret_part.encode()):
            return False
        if tokens.field(secret, "token-id") != identity or tokens.is_expired(secret, self._clock.now()):
            return False
        return tokens.may(secret, "authentication")


def _groups(secret: Mapping[str, Any]) -> tuple[str, ...] | None:
    """None when one of them is not a group that a bootstrap token may give."""
    extra = [name for name in tokens.field(secret, "auth-extra-groups").split(",") if name]
    if not all(_GROUP.match(name) for name in extra):
        return None
    return (DEFAULT_GROUP, *sorted(set(extra) - {DEFAULT_GROUP}))
