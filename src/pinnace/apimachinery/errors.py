"""Typed errors: one class per reason of a Kubernetes `Status`.

Inside Pinnace an error is an exception of this module; at the edge `status_of` turns it into the `Status` body that
upstream sends, and `from_status` turns such a body back into the same class on the client's side.
Reasons, codes and wording: https://github.com/kubernetes/apimachinery/blob/master/pkg/api/errors/errors.go
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Cause:
    """One finding about one field. `reason` is upstream's: FieldValueInvalid, FieldValueRequired, FieldValueNotSupported,
    FieldValueForbidden, FieldValueDuplicate, FieldValueNotFound, FieldValueTooLong, FieldValueTooMany, FieldValueTypeInvalid."""

    reason: str
    message: str
    field: str = ""

    def as_dict(self) -> dict[str, str]:
        entry = {"reason": self.reason, "message": self.message, "field": self.field}
        return {key: value for key, value in entry.items() if value or key == "message"}


@dataclass(eq=False)
class StatusError(Exception):
    """Base of all API errors: `message` is the sentence the user reads."""

    message: str
    name: str = ""
    group: str = ""
    kind: str = ""  # upstream puts the resource ("pods") or the kind ("Pod", for Invalid) here
    uid: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)
    code: int = 500
    reason: str = ""

    CODE: ClassVar[int] = 500
    REASON: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__init__(self.message)
        if self.CODE != 500 or self.REASON:
            self.code, self.reason = self.CODE, self.REASON

    def __str__(self) -> str:
        return self.message


class BadRequest(StatusError):
    CODE, REASON = 400, "BadRequest"


class Unauthorized(StatusError):
    CODE, REASON = 401, "Unauthorized"


class Forbidden(StatusError):
    CODE, REASON = 403, "Forbidden"


class NotFound(StatusError):
    CODE, REASON = 404, "NotFound"


class MethodNotSupported(StatusError):
    CODE, REASON = 405, "MethodNotAllowed"


class NotAcceptable(StatusError):
    CODE, REASON = 406, "NotAcceptable"


class AlreadyExists(StatusError):
    CODE, REASON = 409, "AlreadyExists"


class Conflict(StatusError):
    CODE, REASON = 409, "Conflict"


class Gone(StatusError):
    CODE, REASON = 410, "Gone"


class Expired(StatusError):
    """The resource version asked for is older than what the server still has."""

    CODE, REASON = 410, "Expired"


class RequestEntityTooLarge(StatusError):
    CODE, REASON = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    CODE, REASON = 415, "UnsupportedMediaType"


class Invalid(StatusError):
    CODE, REASON = 422, "Invalid"


class TooManyRequests(StatusError):
    CODE, REASON = 429, "TooManyRequests"


class InternalError(StatusError):
    CODE, REASON = 500, "InternalError"


class ServiceUnavailable(StatusError):
    CODE, REASON = 503, "ServiceUnavailable"


class Timeout(StatusError):
    CODE, REASON = 504, "Timeout"


class ServerTimeout(StatusError):
    CODE, REASON = 500, "ServerTimeout"


BY_REASON: dict[str, type[StatusError]] = {
    cls.REASON: cls
    for cls in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotSupported, NotAcceptable, AlreadyExists, Conflict,
        Gone, Expired, RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError,
        ServiceUnavailable, Timeout, ServerTimeout,
    )
}  # fmt: skip


def qualified(resource: str, group: str) -> str:
    """`deployments.apps`, or `pods` for the core group: how upstream names a resource in messages."""
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, name: str, group: str = "") -> NotFound:
    return NotFound(f'{qualified(resource, group)} "{name}" not found', name=name, group=group, kind=resource)


def already_exists(resource: str, name: str, group: str = "") -> AlreadyExists:
    return AlreadyExists(
        f'{qualified(resource, group)} "{name}" already exists', name=name, group=group, kind=resource
    )


def conflict(resource: str, name: str, why: str, group: str = "") -> Conflict:
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return Conflict(message, name=name, group=group, kind=resource)


OBJECT_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def forbidden(resource: str, name: str, why: str, group: str = "") -> Forbidden:
    subject = f'{qualified(resource, group)} "{name}"' if name else qualified(resource, group)
    return Forbidden(f"{subject} is forbidden: {why}", name=name, group=group, kind=resource)


def invalid(kind: str, name: str, causes: list[Cause], group: str = "") -> Invalid:
    """422 with every finding; upstream joins several findings in square brackets."""
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{qualified(kind, group)} "{name}" is invalid: {joined}'
    return Invalid(message, name=name, group=group, kind=kind, causes=tuple(causes))


def status_of(error: StatusError) -> dict[str, Any]:
    """The `Status` body of an error, keys as upstream sends them."""
    details: dict[str, Any] = {}
    if error.name:
        details["name"] = error.name
    if error.group:
        details["group"] = error.group
    if error.kind:
        details["kind"] = error.kind
    if error.uid:
        details["uid"] = error.uid
    if error.causes:
        details["causes"] = [cause.as_dict() for cause in error.causes]
    if error.retry_after_seconds:
        details["retryAfterSeconds"] = error.retry_after_seconds
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": error.metadata,
        "status": "Failure",
        "message": error.message,
    }
    if error.reason:
        body["reason"] = error.reason
    if details:
        body["details"] = details
    body["code"] = error.code
    return body


def from_status(status: dict[str, Any]) -> StatusError:
    """The exception for a `Status` body; an unknown reason stays a plain `StatusError` with its code."""
    details = status.get("details") or {}
    causes = tuple(
        Cause(c.get("reason", ""), c.get("message", ""), c.get("field", ""))
        for c in details.get("causes") or ()
    )
    reason = status.get("reason", "")
    error = BY_REASON.get(reason, StatusError)(
        status.get("message", ""),
        name=details.get("name", ""),
        group=details.get("group", ""),
        kind=details.get("kind", ""),
        uid=details.get("uid", ""),
        causes=causes,
        retry_after_seconds=details.get("retryAfterSeconds", 0),
    )
    if type(error) is StatusError:
        error.code, error.reason = status.get("code", 500), reason
    return error
