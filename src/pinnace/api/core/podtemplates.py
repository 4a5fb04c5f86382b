"""PodTemplates: a template on its own, for whoever wants to refer to one."""

from pinnace.api.core.pod_defaults import set_template_defaults
from pinnace.api.core.pod_validation import validate_template
from pinnace.api.core.pod_warnings import pod_warnings
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class PodTemplateStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        set_template_defaults(obj.setdefault("template", {}))

    def bumps_generation(self, new: Object, old: Object) -> bool:
        return bool(new.get("template") != old.get("template"))

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(validate_template(obj["template"], "template"))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(validate_template(new["template"], "template"))

    def warnings(self, obj: Object) -> list[str]:
        spec = (obj.get("template") or {}).get("spec") or {}
        return super().warnings(obj) + list(pod_warnings(spec, "template.spec"))
