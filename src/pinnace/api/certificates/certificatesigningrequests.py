"""CertificateSigningRequests: defaults and rules. Who asked is written by the API server (`apiserver/registry/certificates.py`).

Facts: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/certificates/validation/validation.go
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.certificates import requests
from pinnace.api.certificates.requests import APPROVED, DENIED, FAILED
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
MIN_SECONDS, MAX_SIGNER_NAME = 600, 571
_LASTING = (APPROVED, DENIED, FAILED)


class CertificateSigningRequestStrategy(Strategy):
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "spec.signerName"))

    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {})
        status = obj.setdefault("status", {})
        for condition in status.get("conditions") or ():
            condition["status"] = condition.get("status") or "True"
        _check_base64(obj["spec"].get("request"))
        _check_base64(status.get("certificate"))

    def check_name(self, name: str) -> Sequence[str]:
        """Upstream does not care; only what fits into a path can be asked for again."""
        return names.path_segment(name)

    def prepare_update(self, new: Object, old: Object) -> None:
        super().prepare_update(new, old)
        new["spec"] = old["spec"]

    def prepare_status_update(self, new: Object, old: Object) -> None:
        """Approvals and denials come through the subresource `approval` only."""
        super().prepare_status_update(new, old)
        given, kept = new.get("status") or {}, old.get("status") or {}
        own = [one for one in given.get("conditions") or () if one.get("type") not in (APPROVED, DENIED)]
        decided = [one for one in kept.get("conditions") or () if one.get("type") in (APPROVED, DENIED)]
        new["status"] = {key: value for key, value in given.items() if key != "conditions"}
        if decided or own:
            new["status"]["conditions"] = [*decided, *own]

    def prepare_approval(self, new: Object, old: Object) -> None:
        super().prepare_status_update(new, old)
        given, kept = (new.get("status") or {}).get("conditions"), old.get("status") or {}
        new["status"] = {key: value for key, value in kept.items() if key != "conditions"}
        if given:
            new["status"]["conditions"] = given

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_status_update(new, old) + list(_validate_conditions(new))
        found += _validate_lasting(new, old, may_decide=False)
        after, before = (obj.get("status") or {} for obj in (new, old))
        if before.get("certificate") and after.get("certificate") != before["certificate"]:
            why = "updates may not modify existing certificate content"
            found.append(fields.forbidden("status.certificate", why))
        elif after.get("certificate") and (wrong := _wrong_certificate(after["certificate"])):
            found.append(fields.invalid("status.certificate", "<certificate data>", wrong))
        return found

    def validate_approval(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_status_update(new, old) + list(_validate_conditions(new))
        return found + list(_validate_lasting(new, old, may_decide=True))

    def field_labels(self, obj: Object) -> dict[str, str]:
        signer = (obj.get("spec") or {}).get("signerName") or ""
        return {**super().field_labels(obj), "spec.signerName": signer}


def _check_base64(text: str | None) -> None:
    if text:
        try:
            base64.b64decode(text, validate=True)
        except binascii.Error:
            raise ValueError("illegal base64 data at input byte 0") from None


def _validate_spec(obj: Object) -> Iterator[Cause]:
    spec = obj["spec"]
    try:
        requests.read(obj)
    except requests.Unreadable as error:
        yield fields.invalid("spec.request", spec.get("request") or "", str(error))
    asked = spec.get("usages") or ()
    if not asked:
        yield fields.required("spec.usages")
    taken: set[str] = set()
    for index, usage in enumerate(asked):
        if usage not in USAGES:
            yield fields.not_supported(f"spec.usages[{index}]", usage, USAGES)
        if usage in taken:
            yield fields.duplicate(f"spec.usages[{index}]", usage)
        taken.add(usage)
    signer = spec.get("signerName") or ""
    if signer == requests.LEGACY:
        why = "the legacy signerName is not allowed via this API version"
        yield fields.invalid("spec.signerName", signer, why)
    else:
        yield from validate_signer_name(signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < MIN_SECONDS:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        yield fields.invalid("spec.expirationSeconds", seconds, why)


def validate_signer_name(signer: str, path: str) -> Iterator[Cause]:
    """A domain of at least two labels, and a path."""
    if not signer:
        yield fields.required(path)
        return
    domain, slash, place = signer.partition("/")
    if not slash or "/" in place:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield fields.invalid(path, signer, why)
        return
    for label in domain.split("."):
        for message in names.dns_label(label):
            yield fields.invalid(path, label, f"validating label {fields.text(label)}: {message}")
    if "." not in domain:
        why = "should be a domain with at least two segments separated by dots"
        yield fields.invalid(path, domain, why)
    for message in names.dns_subdomain(place):
        yield fields.invalid(path, place, f"validating label {fields.text(place)}: {message}")
    if len(signer) > MAX_SIGNER_NAME:
        yield fields.too_long(path, MAX_SIGNER_NAME)


def _conditions(obj: Object) -> Sequence[Mapping[str, Any]]:
    return (obj.get("status") or {}).get("conditions") or ()


def _validate_conditions(obj: Object) -> Iterator[Cause]:
    kinds = [condition.get("type") or "" for condition in _conditions(obj)]
    for index, condition in enumerate(_conditions(obj)):
        path, kind, status = f"status.conditions[{index}]", kinds[index], condition.get("status") or ""
        if not kind:
            yield fields.required(f"{path}.type")
        if kind in (APPROVED, DENIED) and {APPROVED, DENIED} <= set(kinds):
            why = "Approved and Denied conditions are mutually exclusive"
            yield fields.invalid(f"{path}.type", kind, why)
        if kind in kinds[:index]:
            yield fields.duplicate(f"{path}.type", kind)
        allowed = ("True",) if kind in _LASTING else ("False", "True", "Unknown")
        if status not in allowed:
            yield fields.not_supported(f"{path}.status", status, allowed)


def _validate_lasting(new: Object, old: Object, *, may_decide: bool) -> Iterator[Cause]:
    """Decisions and failures stay; each kind has its own way in."""
    for kind in _LASTING:
        after, before = ([one for one in _conditions(obj) if one.get("type") == kind] for obj in (new, old))
        if len(after) < len(before):
            why = f"updates may not remove a condition of type {fields.text(kind)}"
            yield fields.forbidden("status.conditions", why)
        elif len(after) > len(before):
            if (kind in (APPROVED, DENIED)) != may_decide and kind != FAILED:
                why = f"updates may not add a condition of type {fields.text(kind)}"
                yield fields.forbidden("status.conditions", why)
        elif after != before:
            why = f"updates may not modify a condition of type {fields.text(kind)}"
            yield fields.forbidden("status.conditions", why)


def _wrong_certificate(text: str) -> str:
    """What is wrong with the certificates of a status; "" when all can be read."""
    from cryptography import x509

    try:
        return "" if x509.load_pem_x509_certificates(base64.b64decode(text)) else "must contain certificates"
    except ValueError as error:
        return str(error)
