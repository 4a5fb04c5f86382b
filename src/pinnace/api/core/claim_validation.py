"""Validation of the devices that a pod claims (dynamic resource allocation), and of containers' references to them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause

_SOURCES = ("resourceClaimName", "resourceClaimTemplateName")


def validate_pod_claims(claims: Sequence[Mapping[str, Any]], path: str) -> Iterator[Cause]:
    taken: set[str] = set()
    for index, claim in enumerate(claims):
        here, name = f"{path}[{index}]", claim.get("name") or ""
        if not name:
            yield fields.required(f"{here}.name")
        else:
            yield from fields.all_invalid(f"{here}.name", name, names.dns_label(name))
            if name in taken:
                yield fields.duplicate(f"{here}.name", name)
        taken.add(name)
        chosen = [field for field in _SOURCES if claim.get(field) is not None]
        if not chosen:
            why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            yield fields.invalid(here, claim, why)
        if len(chosen) > 1:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            yield fields.invalid(here, claim, why)
        for field in chosen:
            yield from fields.all_invalid(f"{here}.{field}", claim[field], names.dns_subdomain(claim[field]))


def validate_container_claims(spec: Mapping[str, Any], path: str) -> Iterator[Cause]:
    known = sorted({claim.get("name") or "" for claim in spec.get("resourceClaims") or ()})
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            if claims := (container.get("resources") or {}).get("claims"):
                here = f"{path}.{part}[{index}].resources.claims"
                yield from _validate_references(claims, known, here)


def _validate_references(
    references: Sequence[Mapping[str, Any]], known: Sequence[str], path: str
) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, reference in enumerate(references):
        here, name, request = f"{path}[{index}]", reference.get("name") or "", reference.get("request")
        key = f"{name}/{request}" if request else name
        if not name:
            yield fields.required(here)
        elif key in seen:
            yield fields.duplicate(here, key)
        elif name in seen or (not request and any(one.startswith(f"{name}/") for one in seen)):
            yield fields.duplicate(here, name)
        elif name not in known:
            which = f": {', '.join(known)}" if known else " which is empty"
            message = (
                f"Not found: {fields.text(name)}: must be one of the names in pod.spec.resourceClaims{which}"
            )
            yield Cause("FieldValueNotFound", message, here)
        seen.add(key)
