"""EventRateLimit: buckets of tokens for events, by server, namespace, user, or source and object. Off by default, as upstream."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
_TYPES = ("Server", "Namespace", "User", "SourceAndObject")
_CACHE_SIZE = 4096


@dataclass(slots=True)
class _Limit:
    kind: str
    qps: float
    burst: float
    cache_size: int
    buckets: OrderedDict[str, tuple[float, float]] = field(
        default_factory=OrderedDict
    )  # key -> (tokens, when)

    def takes(self, key: str, now: float) -> bool:
        tokens, when = self.buckets.pop(key, (self.burst, now))
        tokens = min(self.burst, tokens + (now - when) * self.qps)
        is_free = tokens >= 1
        self.buckets[key] = (tokens - 1 if is_free else tokens, now)
        while len(self.buckets) > self.cache_size:
            self.buckets.popitem(last=False)
        return is_free


class EventRateLimit(BasePlugin):
    name = "EventRateLimit"
    needs_configuration = True
    validates = ("CREATE", "UPDATE")

    def __init__(self, registries: Registries) -> None:
        self._clock = registries.clock
        self._limits: list[_Limit] = []

    def configure(self, configuration: Object) -> None:
        if configuration.get("kind") != "Configuration":
            raise ValueError(f"no kind {configuration.get('kind')!r} is known, only 'Configuration'")
        self._limits = [_limit(index, entry) for index, entry in enumerate(configuration.get("limits") or ())]
        if not self._limits:
            raise ValueError("limits: Required value: must not be empty")

    async def validate(self, admission: Admission) -> None:
        gvr = admission.resource.gvr
        if gvr.resource != "events" or gvr.group not in ("", "events.k8s.io") or admission.object is None:
            return
        now = self._clock.monotonic()
        refused = [
            f"limit reached on type {limit.kind} for key {key}"
            for limit in self._limits
            if not limit.takes(key := _key(limit.kind, admission), now)
        ]
        if refused:
            raise errors.TooManyRequests(refused[0] if len(refused) == 1 else f"[{', '.join(refused)}]")


def _limit(index: int, entry: Object) -> _Limit:
    kind = entry.get("type")
    if kind not in _TYPES:
        raise ValueError(f"limits[{index}].type: {kind!r} must be one of {', '.join(_TYPES)}")
    for number in ("qps", "burst"):
        if not isinstance(entry.get(number), int) or entry[number] <= 0:
            raise ValueError(f"limits[{index}].{number}: must be positive")
    return _Limit(kind, entry["qps"], entry["burst"], entry.get("cacheSize") or _CACHE_SIZE)


def _key(kind: str, admission: Admission) -> str:
    match kind:
        case "Namespace":
            return admission.namespace
        case "User":
            return admission.user.name
        case "SourceAndObject":
            event = admission.object or {}
            source = event.get("source") or event.get("deprecatedSource") or {}
            about = event.get("involvedObject") or event.get("regarding") or {}
            parts = [source.get("component"), source.get("host")]
            parts += [about.get(name) for name in ("kind", "namespace", "name", "uid", "apiVersion")]
            return "".join(part or "" for part in parts)
    return ""
