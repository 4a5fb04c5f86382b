"""AdmissionReview: what a webhook is asked, and what its answer means. Pure but for the identifier that is drawn.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/webhook/request/admissionreview.go
"""

import base64
import binascii
import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVK, GVR, parse_api_version
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.concerned import namespace_of
from pinnace.apiserver.admission.webhooks.configurations import Hook
from pinnace.apiserver.admission.webhooks.selection import Invocation

Object = dict[str, Any]
GROUP = "admission.k8s.io"


class InvalidReview(Exception):
    """The webhook answered with something that is no answer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    allowed: bool
    status: Object | None = None
    patch: list[Object] | None = None
    warnings: tuple[str, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()


def question(invocation: Invocation, admission: Admission, obj: Object | None, old: Object | None) -> Object:
    """`obj` and `old` are in the version that the webhook wants to see."""
    row, seen_as, sub = admission.resource, invocation.seen_as, admission.subresource
    request: Object = {
        "uid": str(uuid.uuid4()),
        "kind": _kind(kind_in(admission, seen_as)),
        "resource": _resource(seen_as.gvr),
        "requestKind": _kind(admission.kind),
        "requestResource": _resource(row.gvr),
        "operation": admission.operation,
        "userInfo": admission.user.as_user_info(),
        "object": obj,
        "oldObject": old,
        "dryRun": admission.dry_run,
        "options": admission.options,
    }
    if sub:
        request["subResource"] = request["requestSubResource"] = sub
    if admission.name:
        request["name"] = admission.name
    if namespace := namespace_of(admission):
        request["namespace"] = namespace
    version = invocation.hook.review_version
    return {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": request}


def kind_in(admission: Admission, seen_as: Resource) -> GVK:
    """The kind of the body in another resource's version; subresources keep theirs."""
    if seen_as is admission.resource:
        return admission.kind
    sub = seen_as.subresource(admission.subresource) if admission.subresource else None
    if sub is not None and sub.kind:
        return GVK(*parse_api_version(sub.api_version or seen_as.gvr.api_version), sub.kind)
    return seen_as.gvk


def _kind(gvk: GVK) -> Object:
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}


def _resource(gvr: GVR) -> Object:
    return {"group": gvr.group, "version": gvr.version, "resource": gvr.resource}


def verdict(asked: Object, answer: Object, *, mutating: bool) -> Verdict:
    """Raises InvalidReview, in upstream's words."""
    response = answer.get("response")
    if not isinstance(response, dict):
        raise InvalidReview("webhook response was absent")
    version = asked["apiVersion"]
    if version == f"{GROUP}/v1":
        uid = asked["request"]["uid"]
        if response.get("uid") != uid:
            raise InvalidReview(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
        wanted, got = _shown(asked), _shown(answer)
        if wanted != got:
            raise InvalidReview(f"expected webhook response of {wanted}, got {got}")
    patch = _patch(response, mutating, strict=version == f"{GROUP}/v1")
    warnings, notes = response.get("warnings") or [], response.get("auditAnnotations") or {}
    status = response.get("status")
    if not isinstance(warnings, list) or not isinstance(notes, dict) or not isinstance(status, dict | None):
        raise InvalidReview("json: cannot unmarshal into Go struct field AdmissionReview.response")
    return Verdict(
        response.get("allowed") is True, status, patch, tuple(map(str, warnings)),
        tuple((str(key), str(value)) for key, value in notes.items()),
    )  # fmt: skip


def _shown(review: Object) -> str:
    return f"{review.get('apiVersion') or ''}, Kind={review.get('kind') or ''}"


def _patch(response: Object, mutating: bool, *, strict: bool) -> list[Object] | None:
    encoded, kind = response.get("patch"), response.get("patchType")
    if not mutating:
        if strict and encoded:
            raise InvalidReview("validating webhook may not return response.patch")
        if strict and kind is not None:
            raise InvalidReview("validating webhook may not return response.patchType")
        return None
    if strict and encoded and kind is None:
        raise InvalidReview("webhook returned response.patch but not response.patchType")
    if strict and not encoded and kind is not None:
        raise InvalidReview("webhook returned response.patchType but not response.patch")
    if not encoded:
        return None
    if kind not in ("JSONPatch", None):
        raise InvalidReview(f'webhook returned invalid response.patchType of "{kind}"')
    try:
        operations = orjson.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, orjson.JSONDecodeError, TypeError, ValueError) as error:
        raise InvalidReview(f"received undecodable patch in webhook response: {error}") from error
    if not isinstance(operations, list):
        raise InvalidReview("received undecodable patch in webhook response: not a list")
    return operations


def denial(hook: Hook, status: Object | None) -> errors.StatusError:
    """What the user is told of a refusal: code, reason and details are the webhook's; never less than a 400."""
    given = dict(status or {})
    denied = f'admission webhook "{hook.name}" denied the request'
    code = given.get("code")
    code = code if isinstance(code, int) and code >= 400 else 400
    why = given.get("message") or given.get("reason")
    message = f"{denied}: {why}" if why else f"{denied} without explanation"
    details = given.get("details") if isinstance(given.get("details"), dict) else {}
    error = errors.from_status({**given, "message": message, "details": details, "code": code})
    error.code, error.reason = code, str(given.get("reason") or "")
    return error


def call_failure(hook: Hook, why: str) -> errors.InternalError:
    text = f'failed calling webhook "{hook.name}": {why}'
    return errors.InternalError(f"Internal error occurred: {text}", causes=(errors.Cause("", text),))


def no_dry_run(hook: Hook) -> errors.BadRequest:
    return errors.BadRequest(f'admission webhook "{hook.name}" does not support dry run')
