"""The configured webhooks as parsed `Hook`s, read from the watch cache of their configurations: effective at once.

While nothing is configured a request pays one comparison.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pinnace.apimachinery import selectors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.registry.catalog import Registries

if TYPE_CHECKING:
    from pinnace.apiserver.admission.policies.compiled import Expression

Object = dict[str, Any]


@dataclass(frozen=True)
class Hook:
    """One webhook. `uid` tells apart webhooks of the same name: configuration, name, and how many of that name came before."""

    uid: str
    configuration: str
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def rules(self) -> Sequence[Object]:
        return self.spec.get("rules") or ()

    @property
    def ignores_failure(self) -> bool:
        return self.spec.get("failurePolicy") == "Ignore"

    @property
    def seconds(self) -> float:
        return float(self.spec.get("timeoutSeconds") or 10)

    @property
    def has_side_effects(self) -> bool:
        return self.spec.get("sideEffects") not in ("None", "NoneOnDryRun")

    @property
    def is_reinvoked(self) -> bool:
        return self.spec.get("reinvocationPolicy") == "IfNeeded"

    @property
    def review_version(self) -> str:
        """The first that both sides know; "" when there is none."""
        versions = self.spec.get("admissionReviewVersions") or ()
        return next((version for version in versions if version in ("v1", "v1beta1")), "")

    @cached_property
    def conditions(self) -> "list[tuple[str, Expression]]":
        """Compiled at the first request that gets so far."""
        from pinnace.apiserver.admission.policies.compiled import compile_conditions

        return compile_conditions(self.spec.get("matchConditions"))

    @cached_property
    def namespace_selector(self) -> selectors.Selector:
        return selectors.from_label_selector(self.spec.get("namespaceSelector") or {})

    @cached_property
    def object_selector(self) -> selectors.Selector:
        return selectors.from_label_selector(self.spec.get("objectSelector") or {})


class Configurations:
    """Hooks in upstream's order: configurations by name, their webhooks as they are listed."""

    def __init__(self, registries: Registries, gvr: GVR) -> None:
        self._registries, self._gvr = registries, gvr
        self._seen = -1
        self._hooks: tuple[Hook, ...] = ()

    async def hooks(self) -> tuple[Hook, ...]:
        cache = self._registries.of(self._gvr).storage.cache
        await cache.load()  # nothing to do while its subscription lives
        if cache.changed_at != self._seen:
            self._seen = cache.changed_at
            self._hooks = tuple(hook for item in cache.contents for hook in hooks_of(item.obj))
        return self._hooks


def hooks_of(configuration: Object) -> list[Hook]:
    own, found, counted = configuration["metadata"]["name"], [], dict[str, int]()
    for spec in configuration.get("webhooks") or ():
        index = counted.get(spec["name"], 0)
        counted[spec["name"]] = index + 1
        found.append(Hook(f"{own}/{spec['name']}/{index}", own, spec))
    return found
