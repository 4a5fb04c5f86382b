"""`serviceaccounts/NAME/token`: issues a token bound to a pod, a secret or a node (TokenRequest)."""

from datetime import UTC, datetime
from typing import Any

from pinnace.api import resources as r
from pinnace.api.authentication.tokens import set_token_request_defaults, validate_token_request
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.admission.bodies import review
from pinnace.apiserver.authn.service_accounts import Binding
from pinnace.apiserver.bodies import OBJECT_TYPES, decode_object
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.documents import document
from pinnace.apiserver.handlers.options import write_context
from pinnace.apiserver.negotiation import EVERY, negotiate, require_body_type
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.request import Answer, Request

Object = dict[str, Any]
_LONGEST = 365 * 24 * 3600
_EXTENDED = 3607  # upstream's WarnOnlyBoundTokenExpirationPeriod
_KINDS: dict[tuple[str, str], tuple[str, GVR]] = {
    ("v1", "Pod"): ("pod", r.PODS),
    ("v1", "Secret"): ("secret", r.SECRETS),
    ("v1", "Node"): ("node", r.NODES),
}


async def handle(request: Request, row: Resource) -> Answer:
    media = require_body_type(request.headers.get("Content-Type", ""), OBJECT_TYPES)
    asked = decode_object(await request.read_body(), media)
    _check_types(asked)
    set_token_request_defaults(asked)
    name, namespace = request.info.name, request.info.namespace
    causes = validate_token_request(asked)
    if causes:
        raise errors.invalid("TokenRequest", name, causes, "authentication.k8s.io")
    registries = request.services.registries
    account = (await registries.of(r.SERVICE_ACCOUNTS).storage.get(name, namespace)).obj
    await review(request, row, asked, write_context(request))
    spec = asked["spec"]
    binding = await _binding(registries, namespace, name, spec.get("boundObjectRef"))
    seconds = min(int(spec["expirationSeconds"]), _LONGEST)
    audiences = tuple(spec.get("audiences") or ())
    config = request.services.config
    if config.service_account_max_token_seconds:
        seconds = min(seconds, config.service_account_max_token_seconds)
    told = seconds if _is_extended(config, spec, binding, audiences) else 0
    token, expiry, identity = request.services.tokens.issue(
        account, audiences, _LONGEST if told else seconds, binding, warn_after_seconds=told
    )
    request.audit_annotations["authentication.kubernetes.io/issued-credential-id"] = f"JTI={identity}"
    answer = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": format_time(request.services.clock.now())},
        "spec": {**spec, "audiences": list(audiences or request.services.tokens.audiences), "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": format_time(datetime.fromtimestamp(expiry, UTC))},
    }  # fmt: skip
    return document(answer, negotiate(request.headers.get("Accept", ""), offered=EVERY), 201)


def _is_extended(
    config: ApiServerConfig, spec: Object, binding: Binding | None, audiences: tuple[str, ...]
) -> bool:
    """The tokens that kubelets mount last a year, so that clients which never read them again go on for a while."""
    return (
        config.service_account_extend_token_expiration
        and binding is not None
        and binding.kind == "pod"
        and spec["expirationSeconds"] == _EXTENDED
        and (not audiences or set(audiences) <= set(config.audiences))
    )


def _check_types(asked: Object) -> None:
    spec = asked.get("spec") or {}
    if not isinstance(spec, dict):
        raise errors.BadRequest(
            "json: cannot unmarshal into Go struct field TokenRequest.spec of type v1.TokenRequestSpec"
        )
    asked["spec"] = spec
    seconds, audiences = spec.get("expirationSeconds"), spec.get("audiences")
    if seconds is None:
        spec.pop("expirationSeconds", None)
    elif isinstance(seconds, bool) or not isinstance(seconds, int):
        raise errors.BadRequest(
            "json: cannot unmarshal into Go struct field TokenRequestSpec.spec.expirationSeconds of type int64"
        )
    if audiences is not None and not (
        isinstance(audiences, list) and all(isinstance(a, str) for a in audiences)
    ):
        raise errors.BadRequest(
            "json: cannot unmarshal into Go struct field TokenRequestSpec.spec.audiences of type []string"
        )


async def _binding(registries: Registries, namespace: str, account: str, reference: Any) -> Binding | None:
    if not reference:
        return None
    if not isinstance(reference, dict) or not all(isinstance(value, str) for value in reference.values()):
        raise errors.BadRequest(
            "json: cannot unmarshal into Go struct field TokenRequestSpec.spec.boundObjectRef"
        )
    known = _KINDS.get((reference.get("apiVersion", ""), reference.get("kind", "")))
    if known is None:
        raise errors.BadRequest(
            f'cannot bind token for serviceaccount "{account}" to object with type {reference.get("kind")}'
        )
    kind, gvr = known
    space = "" if gvr == r.NODES else namespace
    obj = (await registries.of(gvr).storage.get(str(reference.get("name", "")), space)).obj
    uid = obj["metadata"]["uid"]
    if reference.get("uid") and reference["uid"] != uid:
        why = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. The object might have been deleted and then recreated"
        raise errors.conflict(gvr.resource, obj["metadata"]["name"], why)
    if kind != "pod":
        return Binding(kind, obj["metadata"]["name"], uid)
    if (obj["spec"].get("serviceAccountName") or "default") != account:
        raise errors.BadRequest(
            f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
        )
    node_name = obj["spec"].get("nodeName") or ""
    node_uid = await _uid_of_node(registries, node_name)
    return Binding(kind, obj["metadata"]["name"], uid, node_name if node_uid else "", node_uid)


async def _uid_of_node(registries: Registries, name: str) -> str:
    if not name:
        return ""
    try:
        uid: str = (await registries.of(r.NODES).storage.get(name)).obj["metadata"]["uid"]
    except errors.NotFound:
        return ""
    return uid
