"""What an audit event says of one request, stage by stage."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from pinnace.apimachinery import errors
from pinnace.apiserver.audit.identity import audit_id
from pinnace.apiserver.audit.policy import Verdict
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.bodies import decode
from pinnace.apiserver.request import Request, Response

Event = dict[str, Any]
_CONTENT = "patch.webhook.admission.k8s.io/"


class Record:
    """One audited request. Its annotations are complete when the response is."""

    def __init__(self, request: Request, verdict: Verdict, emit: Callable[[Event], None]) -> None:
        self._request, self.verdict, self._emit = request, verdict, emit
        self.user: User = request.user
        self.id = audit_id(request.headers)
        self.annotations = request.audit_annotations  # admission and authorization add theirs
        self._received = _moment(request)
        self._body: bytes | None = None
        self._status: Event | None = None
        self._response: Any = None
        if verdict.at_least("Request") or request.info.verb == "create":
            request.read_body = self._reading(request.read_body)

    def _reading(self, read: Callable[[], Awaitable[bytes]]) -> Callable[[], Awaitable[bytes]]:
        async def wrapped() -> bytes:
            self._body = await read()
            return self._body

        return wrapped

    def answered(self, answer: Response) -> None:
        self._status = {"metadata": {}, "code": answer.status}
        if self.verdict.at_least("RequestResponse") and answer.body:
            self._response = _decoded(answer.body, answer.content_type)

    def failed(self, error: errors.StatusError) -> None:
        status = errors.status_of(error)
        self._status = {"metadata": {}, **{key: status[key] for key in ("status", "message", "reason", "details", "code") if status.get(key)}}  # fmt: skip
        if self.verdict.at_least("RequestResponse"):
            self._response = status

    def began(self, code: int) -> None:
        self._status = {"metadata": {}, "code": code}

    def stage(self, name: str) -> None:
        if name not in self.verdict.omit_stages:
            self._emit(self._event(name))

    def _event(self, stage: str) -> Event:
        request = self._request
        event: Event = {
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": self.verdict.level, "auditID": self.id,
            "stage": stage, "requestURI": request.raw_target or request.path, "verb": request.info.verb,
            "user": self.user.as_user_info(),
        }  # fmt: skip
        if request.user is not self.user:
            event["impersonatedUser"] = request.user.as_user_info()
        event["sourceIPs"] = source_addresses(request)
        if request.user_agent:
            event["userAgent"] = request.user_agent
        asked = self._request_object() if stage != "RequestReceived" else None
        if request.info.is_resource:
            event["objectRef"] = _reference(request, asked)
        if self._status is not None:
            event["responseStatus"] = self._status
        if asked is not None and self.verdict.at_least("Request"):
            event["requestObject"] = self._trimmed(asked)
        if self._response is not None:
            event["responseObject"] = self._trimmed(self._response)
        event["requestReceivedTimestamp"], event["stageTimestamp"] = self._received, _moment(request)
        if annotations := self._shown_annotations():
            event["annotations"] = annotations
        return event

    def _shown_annotations(self) -> dict[str, str]:
        """The patch of a webhook is content, as the object is: it may hold what makes a Secret one."""
        if self.verdict.at_least("Request"):
            return dict(self.annotations)
        return {key: value for key, value in self.annotations.items() if not key.startswith(_CONTENT)}

    def _request_object(self) -> Any:
        return _decoded(self._body, self._request.headers.get("Content-Type", "")) if self._body else None

    def _trimmed(self, obj: Any) -> Any:
        if not self.verdict.omit_managed_fields or not isinstance(obj, dict):
            return obj
        if isinstance(obj.get("items"), list):
            return {**obj, "items": [self._trimmed(item) for item in obj["items"]]}
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict) or "managedFields" not in metadata:
            return obj
        return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _moment(request: Request) -> str:
    return request.services.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def source_addresses(request: Request) -> list[str]:
    forwarded = [
        part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()
    ]
    real = request.headers.get("X-Real-Ip", "")
    return list(dict.fromkeys(filter(None, (*forwarded, real, request.remote))))


def _reference(request: Request, asked: Any) -> Event:
    info = request.info
    metadata = asked.get("metadata") if isinstance(asked, Mapping) else None
    metadata = metadata if isinstance(metadata, Mapping) else {}
    found = {
        "resource": info.resource, "namespace": info.namespace, "name": info.name or metadata.get("name", ""),
        "uid": metadata.get("uid", ""), "apiGroup": info.group, "apiVersion": info.version,
        "resourceVersion": metadata.get("resourceVersion", ""), "subresource": info.subresource,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value}


def _decoded(body: bytes, content_type: str) -> Any:
    """None for what is no object: text of a log, or a body that nobody could read."""
    try:
        return decode(body, content_type.partition(";")[0].strip())
    except (errors.StatusError, orjson.JSONDecodeError, ValueError):
        return None
