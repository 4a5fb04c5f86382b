"""The webhook authorizer: asks another server with a SubjectAccessReview and remembers its answers for a while."""

import hashlib
from typing import Any

import orjson

from pinnace.api import selector_text
from pinnace.apimachinery import selectors
from pinnace.apiserver.authn.user import User
from pinnace.apiserver.authz.attributes import Attributes, Decision
from pinnace.apiserver.authz.rules import Rule
from pinnace.apiserver.kubeconfig_webhook import KubeconfigWebhook, WebhookFailed
from pinnace.component.clock import Clock

Object = dict[str, Any]
_REMEMBERED = 8192
_VERSIONS = ("v1", "v1beta1")
_MAX_CACHED_BYTES = 10_000  # upstream's maxControllerAttrCacheSize: a longer question is asked each time


class WebhookAuthorizer:
    """`deny_on_failure`: a server that cannot be asked is a denial, else no opinion."""

    def __init__(
        self, client: KubeconfigWebhook, clock: Clock, *, version: str = "v1", authorized_seconds: float = 300.0,
        unauthorized_seconds: float = 30.0, deny_on_failure: bool = False,
    ) -> None:  # fmt: skip
        if version not in _VERSIONS:
            raise ValueError(
                f'unsupported authorization webhook version "{version}", supported versions are v1, v1beta1'
            )
        self._client, self._clock, self._version = client, clock, version
        self._seconds = {True: authorized_seconds, False: unauthorized_seconds}
        self._deny_on_failure = deny_on_failure
        self._answers: dict[bytes, tuple[float, Decision]] = {}

    async def authorize(self, attributes: Attributes) -> Decision:
        spec = review_spec(attributes, self._version)
        question = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
        key = hashlib.sha256(question).digest()
        known = self._answers.get(key)
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        review = {"kind": "SubjectAccessReview", "apiVersion": f"authorization.k8s.io/{self._version}",
                  "metadata": {"creationTimestamp": None}, "spec": spec, "status": {"allowed": False}}  # fmt: skip
        try:
            decision = _decision(await self._client.post(review))
        except WebhookFailed as error:
            return Decision(False, denied=self._deny_on_failure, error=str(error))
        if len(question) <= _MAX_CACHED_BYTES:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[key] = (self._clock.monotonic() + self._seconds[decision.allowed], decision)
        return decision

    async def rules_of(self, user: User, namespace: str) -> list[Rule]:
        return []

    def unresolved(self, user: User) -> str:
        return "webhook authorizer does not support user rule resolution"


def _decision(answer: Any) -> Decision:
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise WebhookFailed("the webhook's answer is no SubjectAccessReview with a status")
    allowed, denied = bool(status.get("allowed")), bool(status.get("denied"))
    if allowed and denied:
        raise WebhookFailed("webhook subject access review returned both allow and deny response")
    return Decision(
        allowed, str(status.get("reason") or ""), denied, str(status.get("evaluationError") or "")
    )


def review_spec(attributes: Attributes, version: str = "v1") -> Object:
    """The spec of the SubjectAccessReview that asks for this; also what CEL match conditions see as `request`."""
    user = attributes.user
    spec: Object = {"user": user.name, "groups" if version == "v1" else "group": list(user.groups)}
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    if not attributes.is_resource:
        spec["nonResourceAttributes"] = {"path": attributes.path, "verb": attributes.verb}
        return spec
    asked: Object = {
        "namespace": attributes.namespace, "verb": attributes.verb, "group": attributes.group,
        "version": attributes.version, "resource": attributes.resource, "subresource": attributes.subresource,
        "name": attributes.name,
    }  # fmt: skip
    asked = {key: value for key, value in asked.items() if value}
    if fields := field_requirements(attributes.field_selector):
        asked["fieldSelector"] = {"requirements": fields}
    if labels := label_requirements(attributes.label_selector):
        asked["labelSelector"] = {"requirements": labels}
    spec["resourceAttributes"] = asked
    return spec


def field_requirements(text: str) -> list[Object]:
    try:
        terms = selectors.parse_fields(text) if text else ()
    except selectors.SelectorError:
        return []
    return [{"key": t.path, "operator": "NotIn" if t.negated else "In", "values": [t.value]} for t in terms]


def label_requirements(text: str) -> list[Object]:
    try:
        terms = selector_text.parse(text).requirements if text else ()
    except selectors.SelectorError:
        return []
    shown = ((t.key, t.operator, sorted(t.values)) for t in terms if t.operator in _LABEL_OPERATORS)
    return [
        {"key": key, "operator": how, **({"values": values} if values else {})} for key, how, values in shown
    ]


_LABEL_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
