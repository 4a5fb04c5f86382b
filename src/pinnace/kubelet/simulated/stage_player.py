"""Plays the Stages that users bring: watches them, chooses one per object, waits, and writes what it says.

As in KWOK, the stages of a kind replace its built-in behaviour as soon as there is one. While there is none nothing here costs
more than looking at an empty list. A Stage's Accepted condition says whether it is understood.
"""

import asyncio
import functools
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS, NODES, PODS
from pinnace.apimachinery.errors import AlreadyExists, NotFound, StatusError
from pinnace.apimachinery.times import format_time
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Informers, Key
from pinnace.client.interface import JSON_PATCH, MERGE_PATCH, Client
from pinnace.client.workqueue import WorkQueue
from pinnace.component.clock import Clock
from pinnace.kubelet.simulated.stage import (
    Stage,
    StageError,
    StagePatch,
    choose,
    compile_stage,
    finalizers_after,
)
from pinnace.kubelet.simulated.stage_definition import DEFINITION, STAGES
from pinnace.kubelet.simulated.stage_functions import Functions

log = logging.getLogger(__name__)

IMMEDIATE_STEPS = 32  # stages that follow each other without a pause; then the queue takes turns


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where templates get addresses from."""

    of_node: Callable[[str], str]
    of_pod: Callable[[Object], str]


@dataclass(slots=True)
class _Plan:
    """What an object of this revision waits for; `stage` is None once it was played, or when none matches."""

    revision: str
    stage: Stage | None
    due: float


class StagePlayer:
    """`changed` is told when other stages apply, so that all objects are looked at again."""

    def __init__(
        self, client: Client, clock: Clock, informers: Informers, addresses: Addresses, changed: Callable[[], None],
        chance: random.Random | None = None,
    ) -> None:  # fmt: skip
        self._client, self._clock, self._informers = client, clock, informers
        self._addresses, self._changed = addresses, changed
        self._chance = chance or random.Random()
        self._recorder = EventRecorder(client, clock, "kwok")
        self._start_time = format_time(clock.now())
        self._stages: dict[str, list[Stage]] = {}
        self._compiled: dict[
            str, tuple[str, Stage | None, str]
        ] = {}  # name -> (uid/generation, stage, error)
        self._plans: dict[tuple[str, Key], _Plan] = {}
        self._to_judge: WorkQueue[str] = WorkQueue(clock)

    async def install(self) -> None:
        """Make the API server know Stages."""
        try:
            await self._client.create(CUSTOM_RESOURCE_DEFINITIONS, DEFINITION)
        except AlreadyExists:
            log.debug("Stages are known already")

    def follow(self) -> None:
        """Watch the stages from now on; the informers are run by somebody else."""
        self._informers.of(STAGES).add_handler(self._stage_changed)

    async def run(self) -> None:
        """Write events, and what was found about stages, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(self._judge())
        finally:
            self._to_judge.close()

    def drives(self, kind: str) -> bool:
        """Whether there are stages for objects of this kind."""
        return kind in self._stages

    # --- the stages themselves

    def _stage_changed(self, old: Object | None, new: Object | None) -> None:
        changed = new or old
        assert changed is not None
        name = meta.name(changed)
        if new is None:
            self._compiled.pop(name, None)
        else:
            version = f"{meta.uid(new)}/{new['metadata'].get('generation')}"
            if name in self._compiled and self._compiled[name][0] == version:
                return
            try:
                self._compiled[name] = (version, compile_stage(new), "")
            except StageError as error:
                log.warning("stage %s is not played: %s", name, error)
                self._compiled[name] = (version, None, str(error))
            self._to_judge.add(name)
        self._stages = {}
        for _, (_, stage, _) in sorted(self._compiled.items()):
            if stage is not None:
                self._stages.setdefault(stage.kind, []).append(stage)
        self._plans.clear()
        self._changed()

    async def _judge(self) -> None:
        while True:
            name = await self._to_judge.get()
            try:
                await self._write_verdict(name)
                self._to_judge.forget(name)
            except NotFound:
                self._to_judge.forget(name)
            except (StatusError, OSError, TimeoutError) as error:
                log.warning("stage %s: its condition is not written: %s", name, error)
                self._to_judge.add_rate_limited(name)
            finally:
                self._to_judge.done(name)

    async def _write_verdict(self, name: str) -> None:
        stage = self._informers.of(STAGES).lister.get(name)
        if stage is None or name not in self._compiled:
            return
        error = self._compiled[name][2]
        verdict = {"type": "Accepted", "status": "False" if error else "True",
                   "reason": "NotSupported" if error else "Accepted", "message": error}  # fmt: skip
        known = (stage.get("status") or {}).get("conditions") or [{}]
        if all(known[0].get(key) == value for key, value in verdict.items()):
            return
        body = {"status": {"conditions": [{**verdict, "lastTransitionTime": format_time(self._clock.now())}]}}
        await self._client.patch(STAGES, name, body, content_type=MERGE_PATCH, subresource="status")

    # --- objects

    async def play(self, kind: str, obj: Object, again: Callable[[float], Any]) -> None:
        """Do what is due for this object; `again(seconds)` asks for another look."""
        place = (kind, meta.key(obj))
        for _ in range(IMMEDIATE_STEPS):
            plan = self._plan(place, obj)
            if plan.stage is None:
                return
            wait = plan.due - self._clock.monotonic()
            if wait > 0:
                again(wait)
                return
            stage, plan.stage = plan.stage, None
            try:
                answer = await self._carry_out(kind, stage, obj)
            except StageError as error:
                log.warning("stage %s on %s %s: %s", stage.name, kind, "/".join(meta.key(obj)), error)
                self._recorder.event(
                    _about(kind, obj), "Warning", "StageFailed", f"Stage {stage.name}: {error}"
                )
                return
            except BaseException:
                self._plans.pop(place, None)  # it is due again
                raise
            if answer is None or not stage.is_immediate:
                return
            obj = answer
        again(0.001)

    def forget(self, kind: str, key: Key) -> None:
        self._plans.pop((kind, key), None)

    def _plan(self, place: tuple[str, Key], obj: Object) -> _Plan:
        known = self._plans.get(place)
        revision = f"{meta.uid(obj)}/{meta.resource_version(obj)}"
        if known is not None and known.revision == revision:
            return known
        stage = choose(self._stages.get(place[0], ()), obj, self._chance)
        wait = stage.wait(obj, self._clock.now(), self._chance) if stage is not None else 0.0
        plan = self._plans[place] = _Plan(revision, stage, self._clock.monotonic() + wait)
        return plan

    async def _carry_out(self, kind: str, stage: Stage, obj: Object) -> Object | None:
        """Event, finalizers, then either the deletion or the patches; the object as it is afterwards."""
        gvr = PODS if kind == "Pod" else NODES
        name, namespace = meta.name(obj), meta.namespace(obj) or None
        if stage.event is not None:
            told = stage.event
            self._recorder.event(
                _about(kind, obj),
                told.get("type") or "Normal",
                told.get("reason", ""),
                told.get("message", ""),
            )
        answer: Object | None = None
        if stage.finalizers is not None:
            current = obj["metadata"].get("finalizers") or []
            wanted = finalizers_after(current, stage.finalizers)
            if wanted != current:
                body = {"metadata": {"finalizers": wanted or None}}
                answer = await self._client.patch(gvr, name, body, namespace, content_type=MERGE_PATCH)
        if stage.deletes:
            await self._delete(kind, obj)
            return None
        for patch in stage.patches:
            body = self._guarded(patch, patch.body(obj, self._functions(kind, obj)), obj)
            answer = await self._client.patch(
                gvr, name, body, namespace, content_type=patch.content_type, subresource=patch.subresource
            )
        return answer

    async def _delete(self, kind: str, obj: Object) -> None:
        try:
            if kind == "Pod":
                await self._client.delete(
                    PODS, meta.name(obj), meta.namespace(obj), grace_period_seconds=0, uid=meta.uid(obj)
                )
            else:
                await self._client.delete(NODES, meta.name(obj), uid=meta.uid(obj))
        except NotFound:
            return

    def _guarded(self, patch: StagePatch, body: Any, obj: Object) -> Any:
        """A patch must not hit an object that has taken the place of the one it was made for."""
        if patch.content_type == JSON_PATCH:
            return [{"op": "test", "path": "/metadata/uid", "value": meta.uid(obj)}, *body]
        if not isinstance(body, dict):
            raise StageError(f"the template must render to a mapping, not {type(body).__name__}")
        return {**body, "metadata": {**(body.get("metadata") or {}), "uid": meta.uid(obj)}}

    def _functions(self, kind: str, obj: Object) -> Functions:
        addresses = self._addresses
        node = pods.node_name(obj) if kind == "Pod" else meta.name(obj)

        @functools.cache  # asked twice, it is the same address
        def pod_ip() -> str:
            return addresses.of_pod(obj) if kind == "Pod" else ""

        def pod_ip_with(node_name: str, uses_host_network: Any = False, *_: Any) -> str:
            return addresses.of_node(node_name) if uses_host_network else pod_ip()

        def now() -> str:
            return self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")

        return {
            "Now": now, "now": now, "StartTime": lambda: self._start_time,
            "NodeIP": lambda: addresses.of_node(node), "NodeName": lambda: node, "NodePort": lambda: 0,
            "NodeIPWith": addresses.of_node, "PodIP": pod_ip, "PodIPWith": pod_ip_with,
        }  # fmt: skip


def _about(kind: str, obj: Object) -> Object:
    return {"apiVersion": "v1", "kind": kind, "name": meta.name(obj), "namespace": meta.namespace(obj),
            "uid": meta.uid(obj)}  # fmt: skip
