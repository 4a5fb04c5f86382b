"""Scheduler extenders: servers that are asked, over HTTP, which of the feasible nodes will do, how good they are, and to bind.

Protocol: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kube-scheduler/extender/v1/types.go
An extender that manages resources is asked only about pods that want one of them. Left out: the preempt verb.
"""

import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pinnace.component.clock import Clock
from pinnace.scheduler.decisions import Outside
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.settings import ExtenderSettings

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

Object = dict[str, Any]
TO_PLUGIN_SCALE = 10  # extenders give 0 to 10, plugins 0 to 100


class ExtenderError(Exception):
    """An extender could not be asked, or said that it failed."""


class Extender:
    def __init__(self, settings: ExtenderSettings, clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self._session: aiohttp.ClientSession | None = None

    def is_interested(self, pod: PodInfo) -> bool:
        managed = self.settings.managed_resources
        if not managed:
            return True
        spec = pod.object["spec"]
        containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        amounts = (
            (one.get("resources") or {}).get(part) or {}
            for one in containers
            for part in ("requests", "limits")
        )
        return any(not managed.isdisjoint(named) for named in amounts)

    async def filter(
        self, pod: PodInfo, nodes: Mapping[str, Object]
    ) -> tuple[list[str], dict[str, tuple[str, bool]]]:
        """(nodes that will do, why others will not). Raises ExtenderError."""
        answer = _lowered(await self._send(self.settings.filter_verb, self._question(pod, nodes)))
        if answer.get("error"):
            raise ExtenderError(answer["error"])
        try:
            names, refused = self._judgement(answer)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ExtenderError(
                f"the answer to {self.settings.filter_verb} cannot be read: {error!r}"
            ) from error
        unknown = next((name for name in names if name not in nodes), None)
        if unknown is not None:
            raise ExtenderError(
                f'extender "{self.settings.url_prefix}" claims a filtered node "{unknown}" which is not found in the input node list'
            )
        return names, refused

    def _judgement(self, answer: Object) -> tuple[list[str], dict[str, tuple[str, bool]]]:
        names = answer.get("nodenames") if self.settings.node_cache_capable else None
        if names is None:
            items = (_lowered(answer.get("nodes") or {}).get("items")) or ()
            names = [item["metadata"]["name"] for item in items]
        refused = {name: (why, True) for name, why in (answer.get("failednodes") or {}).items()}
        refused |= {
            name: (why, False) for name, why in (answer.get("failedandunresolvablenodes") or {}).items()
        }
        return list(names), refused

    async def prioritize(self, pod: PodInfo, nodes: Mapping[str, Object]) -> dict[str, int]:
        """Weighted points. Raises ExtenderError."""
        answer = await self._send(self.settings.prioritize_verb, self._question(pod, nodes))
        try:
            hosts = [_lowered(one) for one in answer or ()]
            return {one["host"]: int(one.get("score") or 0) * self.settings.weight for one in hosts}
        except (KeyError, TypeError, ValueError) as error:
            raise ExtenderError(
                f"the answer to {self.settings.prioritize_verb} cannot be read: {error!r}"
            ) from error

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Raises ExtenderError."""
        question = {"PodName": pod.name, "PodNamespace": pod.namespace, "PodUID": pod.uid, "Node": node}
        answer = _lowered(await self._send(self.settings.bind_verb, question) or {})
        if answer.get("error"):
            raise ExtenderError(answer["error"])

    def _question(self, pod: PodInfo, nodes: Mapping[str, Object]) -> Object:
        if self.settings.node_cache_capable:
            return {"Pod": pod.object, "Nodes": None, "NodeNames": list(nodes)}
        listed = {"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": list(nodes.values())}
        return {"Pod": pod.object, "Nodes": listed, "NodeNames": None}

    async def _send(self, verb: str, question: Object) -> Any:
        import aiohttp

        url = f"{self.settings.url_prefix.rstrip('/')}/{verb}"
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=_tls(self.settings)))
        timeout = aiohttp.ClientTimeout(total=self.settings.timeout_seconds)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(
                url, data=orjson.dumps(question), headers=headers, timeout=timeout
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ExtenderError(f'Post "{url}": {error or "context deadline exceeded"}') from error
        if answer.status != 200:
            raise ExtenderError(f"failed {verb} with extender at URL {url}, code {answer.status}")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ExtenderError(
                f"failed {verb} with extender at URL {url}: the answer is not JSON"
            ) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class Extenders:
    """All of them, in their order. `node` gives a node's object by name."""

    def __init__(
        self, settings: Sequence[ExtenderSettings], clock: Clock, node: Callable[[str], Object | None]
    ) -> None:
        self._all = [Extender(one, clock) for one in settings]
        self._node = node

    def has_say(self, pod: PodInfo) -> bool:
        """Whether one of them filters or scores for this pod."""
        return any(
            (one.settings.filter_verb or one.settings.prioritize_verb) and one.is_interested(pod)
            for one in self._all
        )

    async def bind(self, pod: PodInfo, node: str) -> bool:
        """True when one of them has bound the pod. Raises ExtenderError where one that must not be passed over fails."""
        for one in self._all:
            if not one.settings.bind_verb or not one.is_interested(pod):
                continue
            try:
                await one.bind(pod, node)
            except ExtenderError as error:
                if not one.settings.ignorable:
                    raise
                log.warning("extender %s passed over: %s", one.settings.url_prefix, error)
                continue
            return True
        return False

    async def ask(self, pod: PodInfo, feasible: Sequence[str]) -> Outside:
        """Raises ExtenderError where one that must not be passed over fails to filter."""
        nodes = {name: node for name in feasible if (node := self._node(name)) is not None}
        refused: dict[str, tuple[str, bool]] = {}
        asked = [one for one in self._all if one.is_interested(pod)]
        for one in asked:
            if not nodes or not one.settings.filter_verb:
                continue
            try:
                names, why = await one.filter(pod, nodes)
            except ExtenderError as error:
                if not one.settings.ignorable:
                    raise
                log.warning("extender %s passed over: %s", one.settings.url_prefix, error)
                continue
            refused |= {name: said for name, said in why.items() if refused.get(name, ("", True))[1]}
            nodes = {name: nodes[name] for name in names}
        points: dict[str, int] = {}
        for one in asked:
            if len(nodes) < 2 or not one.settings.prioritize_verb:
                continue
            try:
                for name, more in (await one.prioritize(pod, nodes)).items():
                    points[name] = points.get(name, 0) + more * TO_PLUGIN_SCALE
            except ExtenderError as error:  # as upstream: its scores do not count then
                log.warning("extender %s gave no scores: %s", one.settings.url_prefix, error)
        return Outside(frozenset(nodes), refused, points)

    async def close(self) -> None:
        for one in self._all:
            await one.close()


def _lowered(answer: Any) -> Object:
    """Field names in lower case: Go reads them in any case, and extenders write both."""
    if not isinstance(answer, dict):
        raise ExtenderError("the answer is not an object")
    return {name.lower(): value for name, value in answer.items()}


def _tls(settings: ExtenderSettings) -> ssl.SSLContext | bool:
    tls = {name: str(value) for name, value in settings.tls.items() if isinstance(value, str)}
    if not settings.enable_https and not settings.tls:
        return True
    context = ssl.create_default_context(cafile=tls.get("caFile"), cadata=_decoded(tls.get("caData")))
    if settings.tls.get("insecure") or not (tls.get("caFile") or tls.get("caData")):
        context.check_hostname, context.verify_mode = (
            False,
            ssl.CERT_NONE,
        )  # as upstream where no authority is named
    if tls.get("certFile"):
        context.load_cert_chain(tls["certFile"], tls.get("keyFile"))
    return context


def _decoded(data: str | None) -> str | None:
    import base64

    return base64.b64decode(data).decode() if data else None
