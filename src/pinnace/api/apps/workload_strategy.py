"""What the strategies of Deployments, ReplicaSets and DaemonSets share: generations, warnings about the template."""

from pinnace.api.core.pod_warnings import pod_warnings
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy


class WorkloadStrategy(Strategy):
    tracks_generation = True

    def warnings(self, obj: Object) -> list[str]:
        template = (obj.get("spec") or {}).get("template") or {}
        return super().warnings(obj) + list(pod_warnings(template.get("spec") or {}, "spec.template.spec"))
