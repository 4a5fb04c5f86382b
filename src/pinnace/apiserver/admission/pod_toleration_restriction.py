"""PodTolerationRestriction: a namespace's pods get its tolerations and may have only those it allows. Off by default, as upstream."""

from typing import Any

import orjson

from pinnace.api import resources as r
from pinnace.api.core import tolerations
from pinnace.api.core.pod_resources import compute_qos_class
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
DEFAULTS = "scheduler.alpha.kubernetes.io/defaultTolerations"
ALLOWED = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
_MEMORY = {"key": tolerations.MEMORY_PRESSURE, "operator": "Exists", "effect": tolerations.NO_SCHEDULE}


class PodTolerationRestriction(BasePlugin):
    name = "PodTolerationRestriction"

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._default: list[Object] = []
        self._allowed: list[Object] = []

    def configure(self, configuration: Object) -> None:
        if configuration.get("kind") != "Configuration":
            raise ValueError(f"no kind {configuration.get('kind')!r} is known, only 'Configuration'")
        self._default = configuration.get("default") or []
        self._allowed = configuration.get("whitelist") or []

    async def admit(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_for("pods"):
            return
        spec = admission.object.setdefault("spec", {})
        found = list(spec.get("tolerations") or ())
        if admission.operation == "CREATE":
            found = tolerations.merged(found, await self._of_namespace(admission, DEFAULTS, self._default))
        if compute_qos_class(spec) != "BestEffort":
            found = tolerations.merged(found, [_MEMORY])
        if found:
            spec["tolerations"] = [dict(one) for one in found]

    async def validate(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_for("pods"):
            return
        own = (admission.object.get("spec") or {}).get("tolerations") or []
        allowed = await self._of_namespace(admission, ALLOWED, self._allowed) if own else []
        if allowed and not all(any(tolerations.covers(wide, one) for wide in allowed) for one in own):
            why = "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist"
            raise refused(admission, why)

    async def _of_namespace(
        self, admission: Admission, annotation: str, default: list[Object]
    ) -> list[Object]:
        namespace = (await self._registries.of(r.NAMESPACES).storage.get(admission.namespace)).obj
        text = (namespace["metadata"].get("annotations") or {}).get(annotation)
        if text is None:
            return default
        try:
            found = orjson.loads(text) if text else []
        except orjson.JSONDecodeError as error:
            raise refused(admission, str(error)) from None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise refused(admission, f"the annotation {annotation} must be a list of tolerations")
        return found
