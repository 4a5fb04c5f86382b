"""Reviews: questions about identity and access, answered on POST and never stored. One handler per resource name."""

from collections.abc import Mapping
from typing import Any

from pinnace.api.resources import Resource
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery import errors
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.admission.bodies import review as admit_review
from pinnace.apiserver.authn.user import AUTHENTICATED, User, with_group
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.bodies import OBJECT_TYPES, decode_object
from pinnace.apiserver.documents import document
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.negotiation import EVERY, negotiate, require_body_type
from pinnace.apiserver.registry import field_validation
from pinnace.apiserver.request import Answer, Request

Object = dict[str, Any]


async def _read(request: Request, row: Resource) -> Object:
    media = require_body_type(request.headers.get("Content-Type", ""), OBJECT_TYPES)
    body = await request.read_body()
    review = decode_object(body, media)
    schema = request.services.registries.schemas.for_gvk(row.gvk)
    ctx = write_context(request)
    field_validation.check(row, schema, review, ctx, body)
    strategy = strategy_for(row.gvr)
    strategy.default(review)
    if request.info.namespace:
        review["metadata"].setdefault("namespace", request.info.namespace)
    await admit_review(request, row, review, ctx)
    causes = strategy.validate(review)
    if causes:
        raise errors.invalid(row.kind, "", causes, row.gvr.group)
    return review


def _answer(request: Request, row: Resource, review: Object, status: Object) -> Answer:
    body = {
        "kind": row.kind,
        "apiVersion": row.gvr.api_version,
        "metadata": {"creationTimestamp": None, **review.get("metadata", {})},
        **({"spec": review["spec"]} if "spec" in review else {}),
        "status": status,
    }
    return document(body, negotiate(request.headers.get("Accept", ""), offered=EVERY), 201)


async def _decide(request: Request, user: User, spec: Mapping[str, Any]) -> Object:
    decision = await request.services.authorizer.authorize(_attributes(user, spec))
    status: Object = {"allowed": decision.allowed}
    if decision.denied:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    if decision.error:
        status["evaluationError"] = decision.error
    return status


def _attributes(user: User, spec: Mapping[str, Any]) -> Attributes:
    asked = spec.get("resourceAttributes")
    if asked is None:
        path = spec.get("nonResourceAttributes") or {}
        return Attributes(user, path.get("verb", ""), False, path=path.get("path", ""))
    return Attributes(
        user, asked.get("verb", ""), True, asked.get("group", ""), asked.get("version", ""),
        asked.get("resource", ""), asked.get("namespace", ""), asked.get("name", ""), asked.get("subresource", ""),
        field_selector=selector_text(asked.get("fieldSelector"), most_values=1),
        label_selector=selector_text(asked.get("labelSelector")),
    )  # fmt: skip


def selector_text(selector: Mapping[str, Any] | None, *, most_values: int = 1000) -> str:
    """The selector of a review as a list request would carry it; requirements that no selector can say are left out."""
    if not selector:
        return ""
    if selector.get("rawSelector"):
        return str(selector["rawSelector"])
    requirements = selector.get("requirements") or ()
    terms = (_term(each) for each in requirements if len(each.get("values") or ()) <= most_values)
    return ",".join(filter(None, terms))


def _term(requirement: Mapping[str, Any]) -> str:
    key, values = requirement.get("key", ""), [str(value) for value in requirement.get("values") or ()]
    match requirement.get("operator"), len(values):
        case "In", 1:
            return f"{key}={values[0]}"
        case "NotIn", 1:
            return f"{key}!={values[0]}"
        case "In", _:
            return f"{key} in ({','.join(values)})"
        case "NotIn", _:
            return f"{key} notin ({','.join(values)})"
        case "Exists", _:
            return str(key)
        case "DoesNotExist", _:
            return f"!{key}"
    return ""


async def selfsubjectaccessreviews(request: Request, row: Resource) -> Answer:
    review = await _read(request, row)
    return _answer(request, row, review, await _decide(request, request.user, review["spec"]))


async def subjectaccessreviews(request: Request, row: Resource) -> Answer:
    review = await _read(request, row)
    spec = review["spec"]
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    user = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra)
    return _answer(request, row, review, await _decide(request, user, spec))


async def localsubjectaccessreviews(request: Request, row: Resource) -> Answer:
    return await subjectaccessreviews(request, row)


async def selfsubjectrulesreviews(request: Request, row: Resource) -> Answer:
    review = await _read(request, row)
    namespace = review["spec"].get("namespace", "")
    if not namespace:
        raise errors.BadRequest("no namespace on request")
    rules = await request.services.authorizer.rules_of(request.user, namespace)
    status: Object = {
        "resourceRules": [dict(rule) for rule in rules if rule.get("resources")],
        "nonResourceRules": [dict(rule) for rule in rules if rule.get("nonResourceURLs")],
        "incomplete": False,
    }
    if unresolved := request.services.authorizer.unresolved(request.user):
        status["incomplete"], status["evaluationError"] = True, unresolved
    return _answer(request, row, review, status)


async def selfsubjectreviews(request: Request, row: Resource) -> Answer:
    review = await _read(request, row)
    review.pop("spec", None)
    review["metadata"]["creationTimestamp"] = format_time(request.services.clock.now())
    return _answer(request, row, review, {"userInfo": request.user.as_user_info()})


async def tokenreviews(request: Request, row: Resource) -> Answer:
    review = await _read(request, row)
    spec = review["spec"]
    token, audiences = spec.get("token", ""), tuple(spec.get("audiences") or ())
    if not token:
        raise errors.BadRequest("token is required for TokenReview in authentication")
    found = await request.services.authenticator.review(token, audiences)
    if found is None:
        return _answer(request, row, review, {"user": {}, "error": "invalid bearer token"})
    user, accepted = with_group(found[0], AUTHENTICATED), found[1]
    status: Object = {"authenticated": True, "user": user.as_user_info()}
    if accepted or audiences:
        status["audiences"] = list(accepted or audiences)
    return _answer(request, row, review, status)
