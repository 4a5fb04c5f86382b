"""What the strategies of Deployments, ReplicaSets and DaemonSets share: generations, warnings about the template."""

from typing import ClassVar

from pinnace.api.core.pod_warnings import POD_NAMES, name_warnings, pod_warnings
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy


class WorkloadStrategy(Strategy):
    tracks_generation = True
    names_pods: ClassVar[bool] = True  # whether its name becomes part of hostnames

    def create_warnings(self, obj: Object) -> list[str]:
        return [*super().create_warnings(obj), *name_warnings(obj, POD_NAMES)] if self.names_pods else []

    def warnings(self, obj: Object) -> list[str]:
        template = (obj.get("spec") or {}).get("template") or {}
        return super().warnings(obj) + list(pod_warnings(template.get("spec") or {}, "spec.template.spec"))
