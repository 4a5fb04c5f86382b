"""The id under which one request is known in audit events and answers: the client's own, or a new UUID."""

from collections.abc import Mapping

from pinnace.apimachinery.uids import random_uid

_MAX_ID = 64


def audit_id(headers: Mapping[str, str]) -> str:
    given = headers.get("Audit-ID", "")[:_MAX_ID]
    return given if given and given.isascii() else random_uid()
