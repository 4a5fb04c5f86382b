"""What HAProxy was told as spans: one for each Ingress, and each object behind one, that had changed since."""

from collections.abc import Iterable

from pinnace.api import meta
from pinnace.api.resources import ENDPOINT_SLICES, INGRESS_CLASSES, INGRESSES, SECRETS, SERVICES
from pinnace.apimachinery.gvk import GVR
from pinnace.client.applied_trace import AppliedTrace
from pinnace.client.interface import Object
from pinnace.component.tracing import Tracer
from pinnace.ingress import routes

Place = tuple[GVR, str, str]  # of an object; an EndpointSlice stands for its Service


class RoutesTrace(AppliedTrace[Place]):
    """`asked` are the Services and Secrets that routes were made of."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__(tracer, "ingress", "apply routes")
        self.asked: set[tuple[str, str]] = set()

    def follow(self, gvr: GVR, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        namespace, name = meta.key(obj)
        if gvr == ENDPOINT_SLICES:
            name = meta.labels(obj).get(routes.SERVICE_LABEL, "")
        self.saw((gvr, namespace, name), gvr, obj)

    def took(
        self, waiting: Iterable[Place], begun: float, served: Iterable[tuple[str, str]], *, changed: bool, reloaded: bool
    ) -> None:  # fmt: skip
        """HAProxy has what these changes asked for."""
        waiting, served = list(waiting), set(served)
        concerned = [place for place in waiting if changed and self._is_behind(place, served)]
        how = "reloaded" if reloaded else "told new addresses"
        self.applied(concerned, begun, lambda _: {"how": how, "ingresses": len(served)})
        self.forget(waiting)
        self.asked.clear()

    def _is_behind(self, place: Place, served: set[tuple[str, str]]) -> bool:
        gvr, namespace, name = place
        if gvr == INGRESSES:
            return True  # one that is gone changed the routes, too
        if gvr in (SERVICES, SECRETS, ENDPOINT_SLICES):
            return (namespace, name) in self.asked
        return gvr == INGRESS_CLASSES and bool(served)
