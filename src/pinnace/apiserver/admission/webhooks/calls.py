"""One call of one webhook: the object in its version, the question, the verdict, warnings and audit annotations."""

from typing import Any

from pinnace.api.resources import Resource
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.webhooks import reviews
from pinnace.apiserver.admission.webhooks.selection import Invocation
from pinnace.apiserver.registry.base import private_copy
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.webhooks.client import CallFailed

Object = dict[str, Any]


class FailedCall(Exception):
    """The webhook could not be asked, or gave no usable answer: its failurePolicy decides."""


def in_version(registries: Registries, obj: Object | None, row: Resource, wanted: Resource) -> Object | None:
    """The object itself, or a copy of it in the version of another resource that shows the same objects."""
    if (
        obj is None or row is wanted or obj.get("kind") != row.kind
    ):  # a subresource's body is the same in all versions
        return obj
    stored = registries.of(row.gvr).to_stored(private_copy(obj))
    return registries.of(wanted.gvr).from_stored(stored)


async def converted(
    registries: Registries, obj: Object | None, row: Resource, wanted: Resource
) -> Object | None:
    """The same; custom objects through the conversion of their definition, which may ask a webhook."""
    if obj is None or row is wanted or obj.get("kind") != row.kind or not wanted.stored_version:
        return in_version(registries, obj, row, wanted)
    from pinnace.apiserver.extensions.custom_registry import CustomRegistry

    registry = registries.of(wanted.gvr)
    assert isinstance(registry, CustomRegistry)
    return await registry.view_storage.view.shown(private_copy(obj))


async def call(
    registries: Registries, invocation: Invocation, admission: Admission, *, mutating: bool
) -> reviews.Verdict:
    """Raises FailedCall, or a StatusError when the webhook has side effects and this is a dry run."""
    hook, kind = invocation.hook, "admit" if mutating else "validating"
    counts, clock, operation = registries.webhook_calls, registries.clock, admission.operation
    begun, rejected = clock.monotonic(), True
    try:
        verdict = await _call(registries, invocation, admission, mutating=mutating)
        rejected = not verdict.allowed
    except FailedCall:
        rejected = not hook.ignores_failure
        counts.requests[hook.name, kind, operation, "503", str(rejected).lower()] += 1
        if rejected:
            counts.rejections[hook.name, kind, operation, "calling_webhook_error", "0"] += 1
        else:
            counts.failed_open[hook.name, kind] += 1
        raise
    finally:
        counts.took(hook.name, kind, operation, rejected=rejected, seconds=clock.monotonic() - begun)
    code = "200" if verdict.allowed else str(min(reviews.denial(hook, verdict.status).code, 600))
    counts.requests[hook.name, kind, operation, code, str(rejected).lower()] += 1
    if rejected:
        counts.rejections[hook.name, kind, operation, "no_error", code] += 1
    return verdict


async def _call(
    registries: Registries, invocation: Invocation, admission: Admission, *, mutating: bool
) -> reviews.Verdict:
    hook = invocation.hook
    if admission.dry_run and hook.has_side_effects:
        raise reviews.no_dry_run(hook)
    if not hook.review_version:
        raise FailedCall("webhook does not accept known AdmissionReview versions (v1, v1beta1)")
    row, wanted = admission.resource, invocation.seen_as
    obj = await converted(registries, admission.object, row, wanted)
    old = await converted(registries, admission.old, row, wanted)
    asked = reviews.question(invocation, admission, obj, old)
    try:
        answer = await registries.webhooks.post(hook.spec["clientConfig"], asked, seconds=hook.seconds)
    except CallFailed as error:
        raise FailedCall(f"failed to call webhook: {error}") from error
    try:
        verdict = reviews.verdict(asked, answer, mutating=mutating)
    except reviews.InvalidReview as error:
        raise FailedCall(f"received invalid webhook response: {error}") from error
    for key, value in verdict.annotations:
        admission.annotate(f"{hook.name}/{key}", value)
    for text in verdict.warnings:
        admission.warn(text)
    return verdict
