"""May this user do that? A refusal is 403 in upstream's words."""

from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.authz.refusal import refusal
from pinnace.apiserver.request import Answer, Handler, Request
from pinnace.component.tracing import CURRENT


async def authorize(inner: Handler, request: Request) -> Answer:
    attributes = Attributes.of(request.user, request.info)
    clock, results = request.services.clock, request.services.metrics.authorization
    begun, result = clock.monotonic(), "error"
    try:
        decision = await request.services.authorizer.authorize(attributes)
        result = "allowed" if decision.allowed else "denied" if decision.denied else "no-opinion"
    finally:
        seconds = clock.monotonic() - begun
        results[result].observe(seconds)
        if (span := CURRENT.get()) is not None:
            span.authorization = seconds
    if request.audit is not None:
        annotations = request.audit_annotations
        annotations["authorization.k8s.io/decision"] = "allow" if decision.allowed else "forbid"
        annotations["authorization.k8s.io/reason"] = decision.reason or decision.error
    if not decision.allowed:
        raise refusal(attributes, decision.reason)
    return await inner(request)
