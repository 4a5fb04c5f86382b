"""What a Secret of type `bootstrap.kubernetes.io/token` says: `ID.SECRET`, until when, and for what.

Facts: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import base64
import binascii
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pinnace.apimachinery.times import parse_time

log = logging.getLogger(__name__)

SECRET_TYPE, NAMESPACE, PREFIX = "bootstrap.kubernetes.io/token", "kube-system", "bootstrap-token-"


def field(secret: Mapping[str, Any], name: str) -> str:
    """A value of its data as text; empty when there is none that can be read."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(name) or "").decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def is_token(secret: Mapping[str, Any]) -> bool:
    return secret.get("type") == SECRET_TYPE and secret["metadata"]["name"].startswith(PREFIX)


def seconds_left(secret: Mapping[str, Any], now: datetime) -> float | None:
    """Until it expires; None when it never does. A time that cannot be read has passed."""
    text = field(secret, "expiration")
    if not text:
        return None
    try:
        return (parse_time(text) - now).total_seconds()
    except ValueError:
        log.warning("secret %s: expiration %r is no time", secret["metadata"]["name"], text)
        return 0.0


def is_expired(secret: Mapping[str, Any], now: datetime) -> bool:
    left = seconds_left(secret, now)
    return left is not None and left <= 0


def may(secret: Mapping[str, Any], usage: str) -> bool:
    """usage: authentication or signing."""
    return field(secret, f"usage-bootstrap-{usage}") == "true"


def detached_jws(content: str, key_id: str, key: str) -> str:
    """HS256 in compact form, without the content: who checks it has that already."""
    header = _base64url(json.dumps({"alg": "HS256", "kid": key_id}, separators=(",", ":")).encode())
    return f"{header}..{_signature(header, content, key)}"


def is_signed(content: str, jws: str, key: str) -> bool:
    """Whether `jws` is a signature of the content with this key."""
    header, _, signature = jws.partition("..")
    try:
        algorithm = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))).get("alg")
    except (ValueError, AttributeError):
        return False
    return algorithm == "HS256" and hmac.compare_digest(_signature(header, content, key), signature)


def _signature(header: str, content: str, key: str) -> str:
    signed = f"{header}.{_base64url(content.encode())}".encode()
    return _base64url(hmac.new(key.encode(), signed, hashlib.sha256).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
