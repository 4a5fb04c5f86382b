"""Webhook token authentication: asks another server with a TokenReview and remembers its answers for a while."""

import hashlib
import logging
from typing import Any

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.kubeconfig_webhook import KubeconfigWebhook, WebhookFailed
from pinnace.component.clock import Clock

log = logging.getLogger(__name__)
Found = tuple[User, tuple[str, ...]] | None
_REMEMBERED = 8192
_VERSIONS = ("v1", "v1beta1")


class WebhookTokens:
    """Implements `authenticator.TokenReviewer`."""

    def __init__(
        self, client: KubeconfigWebhook, clock: Clock, audiences: tuple[str, ...], *, version: str = "v1",
        ttl_seconds: float = 120.0,
    ) -> None:  # fmt: skip
        if version not in _VERSIONS:
            raise ValueError(
                f'unsupported webhook authenticator version "{version}", supported versions are v1, v1beta1'
            )
        self._client, self._clock, self._audiences = client, clock, audiences
        self._version, self._ttl = version, ttl_seconds
        self._answers: dict[bytes, tuple[float, Found]] = {}

    async def close(self) -> None:
        await self._client.close()

    async def review(self, token: str, audiences: tuple[str, ...] = ()) -> Found:
        wanted = audiences or self._audiences
        key = hashlib.sha256("\0".join((token, *wanted)).encode(errors="surrogateescape")).digest()
        known = self._answers.get(key)
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        review = {"kind": "TokenReview", "apiVersion": f"authentication.k8s.io/{self._version}",
                  "metadata": {"creationTimestamp": None}, "spec": {"token": token, "audiences": list(wanted)}}  # fmt: skip
        try:
            found = _found(await self._client.post(review), wanted, self._audiences)
        except WebhookFailed as error:
            log.error("Failed to make webhook authenticator request: %s", error)
            return None
        if len(self._answers) >= _REMEMBERED:
            self._answers.clear()
        self._answers[key] = (self._clock.monotonic() + self._ttl, found)
        return found


def _found(answer: Any, wanted: tuple[str, ...], implicit: tuple[str, ...]) -> Found:
    """A server that says nothing of audiences is taken to mean those of this server."""
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise WebhookFailed("the webhook's answer is no TokenReview with a status")
    if not status.get("authenticated"):
        if status.get("error"):
            log.info("webhook authenticator: %s", status["error"])
        return None
    given = tuple(status.get("audiences") or implicit)
    accepted = tuple(audience for audience in wanted if audience in given)
    if wanted and not accepted:
        return None
    user = status.get("user") or {}
    extra = {key: tuple(values or ()) for key, values in (user.get("extra") or {}).items()}
    return User(
        user.get("username", ""), tuple(user.get("groups") or ()), user.get("uid", ""), extra
    ), accepted
