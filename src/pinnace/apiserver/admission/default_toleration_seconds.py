"""DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or unreachable, unless they say otherwise."""

from typing import Any

from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

_SECONDS = 300
_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(BasePlugin):
    name = "DefaultTolerationSeconds"
    subresources = ()

    def __init__(self, registries: Registries) -> None:
        pass

    async def admit(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_for("pods"):
            return
        if admission.operation not in ("CREATE", "UPDATE"):
            return
        spec = admission.object.setdefault("spec", {})
        tolerations: list[dict[str, Any]] = spec.get("tolerations") or []
        missing = [key for key in _TAINTS if not any(_covers(t, key) for t in tolerations)]
        if missing:
            spec["tolerations"] = [*tolerations, *map(_toleration, missing)]


def _covers(toleration: dict[str, Any], key: str) -> bool:
    return toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")


def _toleration(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS}
