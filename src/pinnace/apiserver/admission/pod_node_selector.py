"""PodNodeSelector: a namespace's pods run only on nodes with the namespace's labels. Off by default, as upstream."""

from collections.abc import Mapping
from typing import Any

from pinnace.api import resources as r
from pinnace.apimachinery import selectors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
_DEFAULT = "clusterDefaultNodeSelector"


class PodNodeSelector(BasePlugin):
    name = "PodNodeSelector"

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._default: dict[str, str] = {}
        self._allowed: dict[str, dict[str, str]] = {}

    def configure(self, configuration: Object) -> None:
        texts = configuration.get("podNodeSelectorPluginConfig")
        if not isinstance(texts, dict):
            raise ValueError("podNodeSelectorPluginConfig: must be a mapping")  # noqa: TRY004 - as other bad input
        parsed = {name: _labels(str(text)) for name, text in texts.items()}
        self._default = parsed.pop(_DEFAULT, {})
        self._allowed = parsed

    async def admit(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_create_of("pods"):
            return
        spec = admission.object.setdefault("spec", {})
        demanded = await self._demanded(admission)
        own = spec.get("nodeSelector") or {}
        self._check(admission, demanded, own)
        if merged := {**demanded, **own}:
            spec["nodeSelector"] = merged

    async def validate(self, admission: Admission) -> None:
        if admission.object is None or not admission.is_create_of("pods"):
            return
        own = (admission.object.get("spec") or {}).get("nodeSelector") or {}
        self._check(admission, await self._demanded(admission), own)
        allowed = self._allowed.get(admission.namespace, {})
        if allowed and any(allowed.get(key) != value for key, value in own.items()):
            raise refused(admission, "pod node label selector labels conflict with its namespace whitelist")

    async def _demanded(self, admission: Admission) -> dict[str, str]:
        namespace = (await self._registries.of(r.NAMESPACES).storage.get(admission.namespace)).obj
        text = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION)
        if text is None:
            return self._default
        try:
            return _labels(text)
        except ValueError as error:
            raise refused(admission, str(error)) from None

    @staticmethod
    def _check(admission: Admission, demanded: Mapping[str, str], own: Mapping[str, str]) -> None:
        if any(own.get(key, value) != value for key, value in demanded.items()):
            raise refused(
                admission, "pod node label selector conflicts with its namespace node label selector"
            )


def _labels(text: str) -> dict[str, str]:
    """`a=b,c=d`; raises ValueError."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"invalid selector: {text}")
        selectors.validate_key(key.strip())
        selectors.validate_value(value.strip())
        found[key.strip()] = value.strip()
    return found
