"""Which authorizer decided how often, under upstream's name."""

from collections.abc import Iterator

from pinnace.apiserver.authz.rbac import Authorizer, RbacAuthorizer
from pinnace.apiserver.authz.union import Union
from pinnace.component.metrics import Family, Sample

_TYPES = {
    "NodeAuthorizer": "Node", "RbacAuthorizer": "RBAC", "WebhookAuthorizer": "Webhook", "Conditional": "Webhook",
    "AlwaysAllow": "AlwaysAllow", "AlwaysDeny": "AlwaysDeny",
}  # fmt: skip


def metrics(authorizer: Authorizer) -> Iterator[Family]:
    samples: list[Sample] = []
    if isinstance(authorizer, RbacAuthorizer):
        samples = [(("RBAC", "rbac", "allowed"), authorizer.allowed)]
    elif isinstance(authorizer, Union):
        for (name, decision), count in authorizer.decisions.items():
            kind = _TYPES[name]
            samples.append(((kind, kind.lower(), decision), count))
    text = "Total number of terminal decisions made by an authorizer by type, name, and decision."
    yield Family(
        "apiserver_authorization_decisions_total", text, "counter", ("type", "name", "decision"), samples
    )
