"""Finds out who is asking; an unknown or missing identity is anonymous, wrong credentials are 401."""

import math

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.authenticator import bearer_token, has_expired_certificate
from pinnace.apiserver.authn.user import ANONYMOUS, AUTHENTICATED, with_group
from pinnace.apiserver.request import Answer, Handler, Request
from pinnace.component.tracing import CURRENT


async def authenticate(inner: Handler, request: Request) -> Answer:
    services = request.services
    begun = services.clock.monotonic()
    result = "error"
    try:
        user = await services.authenticator.authenticate(request)
        if user is None:
            if _carries_credentials(request) or not services.authenticator.anonymous.allows(request.path):
                result = "failure"
                raise errors.Unauthorized("Unauthorized")
            user = request.user = ANONYMOUS
        else:
            request.user = with_group(user, AUTHENTICATED)
        result = "success"
    finally:
        seconds = services.clock.monotonic() - begun
        services.metrics.authentication[result].observe(seconds)
        if (span := CURRENT.get()) is not None:
            span.authentication = seconds
    services.metrics.authenticated(user.name)
    certificate = request.certificate
    if certificate is not None and certificate.common_name == user.name and certificate.not_after < math.inf:
        services.metrics.certificates.observe(certificate.not_after - begun - services.metrics.wall_offset)
    return await inner(request)


def _carries_credentials(request: Request) -> bool:
    """A bearer token that nobody knows, and a certificate that has expired, must not fall back to anonymous."""
    if bearer_token(request) or has_expired_certificate(request):
        return True
    return request.headers.get("Authorization", "").lower().startswith("bearer ")
