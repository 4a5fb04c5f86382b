"""Groups of the Kubernetes project (`*.k8s.io`, `*.kubernetes.io`) need an annotation that says who approved the API.

https://github.com/kubernetes/enhancements/pull/1111
"""

from urllib.parse import urlsplit

from pinnace.api import fields, meta
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

ANNOTATION = "api-approved.kubernetes.io"
CONDITION = "KubernetesAPIApprovalPolicyConformant"
_PROTECTED = ("k8s.io", "kubernetes.io")


def is_protected(group: str) -> bool:
    return any(group == suffix or group.endswith(f".{suffix}") for suffix in _PROTECTED)


def of(obj: Object) -> str:
    return meta.annotations(obj).get(ANNOTATION, "")


def verdict(obj: Object) -> tuple[str, str, str]:
    """status, reason and message of the condition."""
    given = of(obj)
    if not given:
        why = (
            f'protected groups must have approval annotation "{ANNOTATION}", '
            "see https://github.com/kubernetes/enhancements/pull/1111"
        )
        return "False", "MissingAnnotation", why
    if given.startswith("unapproved"):
        return "False", "UnapprovedAnnotation", f"not approved: {fields.text(given)}"
    if _is_url(given):
        return "True", "ApprovedAnnotation", f"approved in {given}"
    why = (
        f'protected groups must have approval annotation "{ANNOTATION}" with either a URL or a reason starting with '
        '"unapproved", see https://github.com/kubernetes/enhancements/pull/1111'
    )
    return "False", "InvalidAnnotation", why


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)


def validate(obj: Object) -> list[Cause]:
    if not is_protected(obj["spec"].get("group", "")):
        return []
    path = fields.key("metadata.annotations", ANNOTATION)
    _, reason, message = verdict(obj)
    if reason == "MissingAnnotation":
        return [fields.required(path, message)]
    return [fields.invalid(path, of(obj), message)] if reason == "InvalidAnnotation" else []
