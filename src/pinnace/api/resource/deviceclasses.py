"""DeviceClasses: which devices a request for a class means, and how they are set up."""

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.resource import device_rules as rules
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class DeviceClassStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate(new))


def _validate(obj: Object) -> rules.Found:
    spec = obj["spec"]
    yield from rules.selectors(spec.get("selectors"), "spec.selectors")
    yield from rules.each(spec.get("config"), rules.MAX_CONFIGS, rules.configuration, "spec.config")
    name = spec.get("extendedResourceName")
    if name is not None and not is_extended_resource(name):
        why = "must be a valid extended resource name"
        yield fields.invalid("spec.extendedResourceName", name, why)


def is_extended_resource(name: str) -> bool:
    """Neither a resource of Kubernetes itself nor one that quotas use."""
    domain, slash, _ = name.partition("/")
    if not slash or domain == "kubernetes.io" or domain.endswith(".kubernetes.io"):
        return False
    return not name.startswith("requests.") and not names.qualified_name(f"requests.{name}")
