"""Columns of CertificateSigningRequests."""

from datetime import datetime

from pinnace.api.certificates import requests
from pinnace.api.columns.table import AGE, NAME, NONE, Cell, Column, TableDef, age, name
from pinnace.api.meta import Object
from pinnace.apimachinery import times


def condition_text(obj: Object) -> str:
    """`Pending`, or what was decided and what became of it."""
    status = obj.get("status") or {}
    kinds = [condition.get("type") for condition in status.get("conditions") or ()]
    text = "Pending"
    if requests.DENIED in kinds:
        text = "Denied"
    elif requests.APPROVED in kinds:
        text = "Approved"
    if requests.FAILED in kinds:
        text += ",Failed"
    return f"{text},Issued" if status.get("certificate") else text


def _request(obj: Object, now: datetime) -> list[Cell]:
    spec = obj.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    duration = NONE if seconds is None else times.human_duration(seconds)
    signer = spec.get("signerName") or NONE
    return [name(obj), age(obj, now), signer, spec.get("username", ""), duration, condition_text(obj)]


CERTIFICATE_SIGNING_REQUESTS = TableDef(
    (
        NAME,
        AGE,
        Column("SignerName", description="Who is to sign."),
        Column("Requestor", description="Who asked."),
        Column("RequestedDuration", description="How long the certificate is to be valid."),
        Column("Condition", description="What was decided, and whether the certificate is there."),
    ),
    _request,
)
