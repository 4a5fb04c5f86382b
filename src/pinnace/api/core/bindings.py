"""Bindings: how the scheduler gives a pod its node. Stored nowhere; the API server writes what they say into the pod."""

from pinnace.api import fields
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class BindingStrategy(Strategy):
    def validate(self, obj: Object) -> list[Cause]:
        return validate_pod_binding(obj)


def validate_pod_binding(binding: Object) -> list[Cause]:
    target = binding.get("target") or {}
    found: list[Cause] = []
    if target.get("kind") not in (None, "", "Node"):
        found.append(fields.not_supported("target.kind", target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        found.append(fields.required("target.name"))
    return found
