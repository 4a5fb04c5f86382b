"""Policies with their bindings, read from the watch caches of both: effective at once, and free while no binding exists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pinnace.apimachinery import selectors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.registry.catalog import Registries
from pinnace.apiserver.storage.watch_cache import WatchCache

if TYPE_CHECKING:
    from pinnace.apiserver.admission.policies.compiled import Compiled

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Resources:
    """`matchConstraints` of a policy or `matchResources` of a binding."""

    spec: Object

    @property
    def rules(self) -> Sequence[Object]:
        return self.spec.get("resourceRules") or ()

    @property
    def excluded(self) -> Sequence[Object]:
        return self.spec.get("excludeResourceRules") or ()

    @property
    def is_exact(self) -> bool:
        return self.spec.get("matchPolicy") == "Exact"

    @cached_property
    def namespace_selector(self) -> selectors.Selector:
        return selectors.from_label_selector(self.spec.get("namespaceSelector") or {})

    @cached_property
    def object_selector(self) -> selectors.Selector:
        return selectors.from_label_selector(self.spec.get("objectSelector") or {})


@dataclass(frozen=True)
class Binding:
    obj: Object

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def spec(self) -> Object:
        return self.obj.get("spec") or {}

    @cached_property
    def resources(self) -> Resources | None:
        given = self.spec.get("matchResources")
        return None if given is None else Resources(given)


@dataclass(frozen=True)
class Policy:
    obj: Object
    is_mutation: bool
    bindings: list[Binding] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def spec(self) -> Object:
        return self.obj.get("spec") or {}

    @property
    def ignores_failure(self) -> bool:
        return self.spec.get("failurePolicy") == "Ignore"

    @cached_property
    def resources(self) -> Resources:
        return Resources(self.spec.get("matchConstraints") or {})

    @cached_property
    def compiled(self) -> "Compiled":
        """Compiled when a request first matches."""
        from pinnace.apiserver.admission.policies.compiled import Compiled

        return Compiled(self.spec, is_mutation=self.is_mutation)


class Policies:
    """Bound policies in upstream's order: by name, and so their bindings."""

    def __init__(self, registries: Registries, policies: GVR, bindings: GVR, *, is_mutation: bool) -> None:
        self._registries, self._gvrs, self._is_mutation = registries, (policies, bindings), is_mutation
        self._seen: tuple[int, int] = (-1, -1)
        self._bound: tuple[Policy, ...] = ()

    @cached_property
    def _caches(self) -> tuple[WatchCache, WatchCache]:
        policies, bindings = (self._registries.of(gvr).storage.cache for gvr in self._gvrs)
        return policies, bindings

    async def bound(self) -> tuple[Policy, ...]:
        policies, bindings = self._caches
        await bindings.load()  # nothing to do while its subscription lives
        if not bindings.contents:
            return ()
        await policies.load()
        seen = policies.changed_at, bindings.changed_at
        if seen != self._seen:
            self._seen = seen
            self._bound = self._joined(policies.contents, bindings.contents)
        return self._bound

    def _joined(self, policies: Any, bindings: Any) -> tuple[Policy, ...]:
        """A policy that has not changed keeps what was compiled for it."""
        before = {policy.name: policy for policy in self._bound}
        found: dict[str, Policy] = {}
        for item in policies:
            policy = Policy(item.obj, self._is_mutation)
            old = before.get(policy.name)
            if old is not None and old.obj is item.obj:
                old.bindings.clear()
                policy = old
            found[policy.name] = policy
        for item in bindings:
            binding = Binding(item.obj)
            if (named := found.get(binding.spec.get("policyName", ""))) is not None:
                named.bindings.append(binding)
        return tuple(policy for policy in found.values() if policy.bindings)
