"""TokenReviews and TokenRequests: what must be asked."""

from pinnace.api import fields
from pinnace.api.authorization.reviews import ReviewStrategy
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

DEFAULT_SECONDS, MIN_SECONDS, MAX_SECONDS = 3600, 600, 1 << 32


class TokenReviewStrategy(ReviewStrategy):
    """An empty token is no error: it is answered as not authenticated."""


def set_token_request_defaults(request: Object) -> None:
    """Of `serviceaccounts/NAME/token`."""
    request.setdefault("spec", {}).setdefault("expirationSeconds", DEFAULT_SECONDS)


def validate_token_request(request: Object) -> list[Cause]:
    seconds = request["spec"].get("expirationSeconds", DEFAULT_SECONDS)
    path = "spec.expirationSeconds"
    if seconds < MIN_SECONDS:
        return [fields.invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > MAX_SECONDS:
        return [fields.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []
