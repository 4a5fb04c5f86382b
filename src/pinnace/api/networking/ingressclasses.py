"""IngressClasses: which controller serves which ingresses."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
MAX_CONTROLLER = 250
_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")


class IngressClassStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        parameters = obj.setdefault("spec", {}).get("parameters")
        if parameters is not None:
            parameters["scope"] = parameters.get("scope") or "Cluster"

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(_validate_parameters(new["spec"].get("parameters")))
        before = (old.get("spec") or {}).get("controller")
        return found + fields.immutable("spec.controller", new["spec"].get("controller"), before)


def _validate_spec(spec: Mapping[str, Any]) -> Iterator[Cause]:
    controller = spec.get("controller") or ""
    if len(controller) > MAX_CONTROLLER:
        yield fields.too_long("spec.controller", MAX_CONTROLLER)
    if not controller:
        yield fields.required("spec.controller")
    else:
        host, _, path = controller.partition("/")
        if names.dns_subdomain(host) or not _PATH.fullmatch(path):
            why = 'must be a domain-prefixed path (such as "acme.io/foo")'
            yield fields.invalid("spec.controller", controller, why)
    yield from _validate_parameters(spec.get("parameters"))


def _validate_parameters(parameters: Mapping[str, Any] | None) -> Iterator[Cause]:
    if parameters is None:
        return
    for field in ("kind", "name"):
        if not parameters.get(field):
            yield fields.required(f"spec.parameters.{field}")
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in ("Cluster", "Namespace"):
        yield fields.not_supported("spec.parameters.scope", scope or "", ("Cluster", "Namespace"))
    elif scope == "Namespace" and not namespace:
        why = "`parameters.scope` is set to 'Namespace'"
        yield fields.required("spec.parameters.namespace", why)
    elif scope == "Cluster" and namespace:
        why = "`parameters.scope` is set to 'Cluster'"
        yield fields.forbidden("spec.parameters.namespace", why)
