"""What is decided about one autoscaler at one look: its target's scale is read, judged by the metrics, and written."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pinnace.api import conditions, meta, selector_text
from pinnace.api.meta import Object
from pinnace.api.resources import HORIZONTAL_POD_AUTOSCALERS, PODS
from pinnace.apimachinery import quantity, times
from pinnace.apimachinery.errors import Conflict, NotFound, StatusError
from pinnace.apimachinery.gvk import GVR, parse_api_version
from pinnace.apimachinery.selectors import Selector, SelectorError
from pinnace.client.events import EventRecorder
from pinnace.client.informer import Key, Lister
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.component.tracing import note
from pinnace.controllers.horizontalpodautoscaling import counts, limits
from pinnace.controllers.horizontalpodautoscaling.calculator import Tolerances, Warmup
from pinnace.controllers.horizontalpodautoscaling.config import AutoscalingConfig
from pinnace.controllers.horizontalpodautoscaling.limits import History, Stamped
from pinnace.controllers.horizontalpodautoscaling.measurements import Measurements
from pinnace.controllers.horizontalpodautoscaling.metrics import Asked, MetricFailed, MetricReader, Target
from pinnace.controllers.runtime.directory import Directory
from pinnace.controllers.runtime.measures import Measures
from pinnace.controllers.runtime.world import World

log = logging.getLogger(__name__)

ATTEMPTS = 5  # to write a scale that others write, too
NAME = "horizontal-pod-autoscaler"
ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


class _Stop(Exception):
    """This look ends here; conditions and events say why. `error` as in the metrics: spec, or internal."""

    def __init__(self, why: str, error: str = "internal") -> None:
        super().__init__(why)
        self.error = error


@dataclass(slots=True)
class _Look:
    """One autoscaler's status as it becomes."""

    hpa: Object
    now: datetime
    status: Object = field(init=False)
    action: str = "none"
    error: str = "none"

    def __post_init__(self) -> None:
        before = self.hpa.get("status") or {}
        self.status = {**before, "desiredReplicas": before.get("desiredReplicas", 0)}

    def set(self, kind: str, is_true: bool, reason: str, message: str) -> None:
        word = "True" if is_true else "False"
        found = conditions.set_condition(
            self.status.get("conditions"), kind, word, reason, message, now=self.now
        )
        self.status["conditions"] = found

    def conclude(
        self, current: int, desired: int, metrics: list[Object] | None, *, rescaled: bool = False
    ) -> None:
        self.status.update(currentReplicas=current, desiredReplicas=desired)
        if metrics is None:
            self.status.pop("currentMetrics", None)
        else:
            self.status["currentMetrics"] = metrics
        if rescaled:
            self.status["lastScaleTime"] = times.format_time(self.now)


class Judge:
    def __init__(
        self, client: Client, clock: Clock, directory: Directory, config: AutoscalingConfig, recorder: EventRecorder,
        pods: Lister, measures: Measures,
    ) -> None:  # fmt: skip
        self._client, self._clock, self._directory, self._config = client, clock, directory, config
        self._recorder, self._pods, self._measures = recorder, pods, measures
        self._measurements = Measurements(client, directory)
        self._histories: dict[Key, History] = {}
        self._selectors: dict[str, dict[Key, Selector]] = {}  # by namespace

    def forget(self, key: Key) -> None:
        """The autoscaler is gone."""
        self._histories.pop(key, None)
        self._selectors.get(key[0], {}).pop(key, None)

    async def look_at(self, key: Key, hpa: Object) -> None:
        look, begun = _Look(hpa, self._clock.now()), self._clock.monotonic()
        try:
            await self._judge(key, look)
        except _Stop as stop:
            look.error = stop.error
            log.debug("%s: %s: %s", NAME, "/".join(key), stop)
        except Exception:
            look.error = "internal"
            raise
        finally:
            labels = (look.action, look.error)
            counts.note(self._measures, counts.RECONCILIATIONS, labels, self._clock.monotonic() - begun)
        if look.status != hpa.get("status"):
            body = {**hpa, "status": look.status}
            try:
                await self._client.update(HORIZONTAL_POD_AUTOSCALERS, body, subresource="status")
            except (NotFound, Conflict):
                raise
            except StatusError as error:
                self._recorder.event(hpa, "Warning", "FailedUpdateStatus", str(error))
                raise

    async def _judge(self, key: Key, look: _Look) -> None:
        hpa, spec = look.hpa, look.hpa["spec"]
        gvr, scale = await self._scale_of(look)
        current = (scale.get("spec") or {}).get("replicas", 0)
        moment = self._clock.monotonic()
        history = self._histories.setdefault(key, History([Stamped(current, moment)]))
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        statuses: list[Object] | None = None
        if current == 0 and least != 0:
            look.set(
                ACTIVE,
                False,
                "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero",
            )
            look.conclude(current, 0, None)
            return
        if current > most:
            desired, why = most, "Current number of replicas above Spec.MaxReplicas"
        elif current < least:
            desired, why = least, "Current number of replicas below Spec.MinReplicas"
        else:
            best, statuses = await self._by_metrics(key, look, scale, current)
            wanted = best.proposal.replicas
            why = f"{best.name} above target" if wanted > current else "All metrics below target"
            verdict = limits.decide(
                spec, history, current, wanted, moment, downscale_window=self._config.downscale_stabilization
            )
            look.set(ABLE, True, *verdict.able)
            look.set(LIMITED, verdict.limited, *verdict.limit)
            desired = verdict.replicas
        if desired == current:
            look.conclude(current, current, statuses)
            return
        try:
            await self._rescale(hpa, gvr, scale, desired)
        except (StatusError, OSError, TimeoutError) as error:
            look.error = "internal"
            message = f"New size: {desired}; reason: {why}; error: {error}"
            self._recorder.event(hpa, "Warning", "FailedRescale", message)
            look.set(
                ABLE,
                False,
                "FailedUpdateScale",
                f"the HPA controller was unable to update the target scale: {error}",
            )
            look.conclude(current, look.status["desiredReplicas"], statuses)
            return
        look.action = counts.action(current, desired)
        note(why=f"{why}: from {current} to {desired} replicas")
        look.set(
            ABLE,
            True,
            "SucceededRescale",
            f"the HPA controller was able to update the target scale to {desired}",
        )
        self._recorder.event(hpa, "Normal", "SuccessfulRescale", f"New size: {desired}; reason: {why}")
        if spec.get("behavior") is not None:
            history.note_change(spec["behavior"], current, desired, moment)
        look.conclude(current, desired, statuses, rescaled=True)

    # -- the target ------------------------------------------------------------------------------------------
    async def _scale_of(self, look: _Look) -> tuple[GVR, Object]:
        reference = look.hpa["spec"]["scaleTargetRef"]
        version, kind = reference.get("apiVersion") or "", reference["kind"]
        try:
            served = self._directory.find(version, kind)
            if served is None:
                await self._directory.refresh()
                served = self._directory.find(version, kind)
            if served is None:
                group, _ = parse_api_version(version)
                raise NotFound(f'no matches for kind "{kind}" in group "{group}"')
            scale = await self._client.get(
                served.gvr, reference["name"], meta.namespace(look.hpa), subresource="scale"
            )
        except (StatusError, OSError, TimeoutError) as error:
            self._recorder.event(look.hpa, "Warning", "FailedGetScale", str(error))
            why = f"the HPA controller was unable to get the target's current scale: {error}"
            look.set(ABLE, False, "FailedGetScale", why)
            raise _Stop(str(error)) from error
        look.set(
            ABLE, True, "SucceededGetScale", "the HPA controller was able to get the target's current scale"
        )
        return served.gvr, scale

    async def _rescale(self, hpa: Object, gvr: GVR, scale: Object, desired: int) -> None:
        for attempt in range(ATTEMPTS):
            body = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": desired}}
            try:
                await self._client.update(gvr, body, subresource="scale")
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
                name = hpa["spec"]["scaleTargetRef"]["name"]
                scale = await self._client.get(gvr, name, meta.namespace(hpa), subresource="scale")
            else:
                return

    # -- metrics ---------------------------------------------------------------------------------------------
    async def _by_metrics(
        self, key: Key, look: _Look, scale: Object, current: int
    ) -> tuple[Asked, list[Object]]:
        """The metric that asks for most. Some may fail, but then nothing is scaled down."""
        try:
            found = self._selected(key, look, (scale.get("status") or {}).get("selector") or "")
        except _Stop as stop:
            self._give_up(look, current, None, str(stop))
            raise
        text = scale["status"]["selector"]
        target = Target(key[0], text, current, scale["status"].get("replicas", 0), found)
        config = self._config
        warmup = Warmup(
            timedelta(seconds=config.cpu_initialization_period),
            timedelta(seconds=config.initial_readiness_delay),
        )
        reader = MetricReader(self._measurements, warmup, look.now)
        tolerances = tolerances_of(look.hpa, config.tolerance)
        statuses: list[Object] = []
        failures: list[MetricFailed] = []
        best: Asked | None = None
        for metric in look.hpa["spec"]["metrics"]:
            try:
                asked = await self._measured(reader, metric, target, tolerances)
            except MetricFailed as failure:
                self._recorder.event(look.hpa, "Warning", failure.reason, failure.detail)
                failures.append(failure)
                statuses.append({"type": ""})
                continue
            statuses.append(asked.status)
            if (
                best is None
                or best.proposal.replicas == 0
                or asked.proposal.replicas > best.proposal.replicas
            ):
                best = asked
        if best is None or (failures and best.proposal.replicas < current):
            first = failures[0]
            why = f"the HPA was unable to compute the replica count: {first.detail}"
            look.set(ACTIVE, False, first.reason, why)
            message = (
                f"invalid metrics ({len(failures)} invalid out of {len(statuses)}), first error is: {first}"
            )
            self._give_up(look, current, statuses, message)
            raise _Stop(message)
        why = f"the HPA was able to successfully calculate a replica count from {best.name}"
        look.set(ACTIVE, True, "ValidMetricFound", why)
        return best, statuses

    async def _measured(
        self, reader: MetricReader, metric: Object, target: Target, tolerances: Tolerances
    ) -> Asked:
        begun, action, error = self._clock.monotonic(), "none", "internal"
        try:
            asked = await reader.ask(metric, target, tolerances)
            action, error = counts.action(target.spec_replicas, asked.proposal.replicas), "none"
            return asked
        except MetricFailed as failure:
            error = "spec" if failure.reason == "InvalidMetricSourceType" else "internal"
            raise
        finally:
            labels = (action, error, metric["type"])
            counts.note(self._measures, counts.COMPUTATIONS, labels, self._clock.monotonic() - begun)

    def _give_up(self, look: _Look, current: int, statuses: list[Object] | None, message: str) -> None:
        look.conclude(current, look.status["desiredReplicas"], statuses)
        self._recorder.event(look.hpa, "Warning", "FailedComputeMetricsReplicas", message)

    def _selected(self, key: Key, look: _Look, text: str) -> list[Object]:
        """The target's pods, unless another autoscaler has some of them, too."""
        if not text:
            self._recorder.event(look.hpa, "Warning", "SelectorRequired", "selector is required")
            look.set(ACTIVE, False, "InvalidSelector", "the HPA target's scale is missing a selector")
            raise _Stop("selector is required", "spec")
        try:
            selector = selector_text.parse(text)
        except SelectorError as error:
            why = f"couldn't convert selector into a corresponding internal selector object: {error}"
            self._refuse(look, "InvalidSelector", why)
        rivals = self._selectors.setdefault(key[0], {})
        rivals[key] = selector
        found = self._pods_of(key[0], selector, look.now)
        if len(rivals) > 1:
            alike = {tuple(meta.labels(pod).items()): pod for pod in found}  # pods of one template once
            selecting = sorted(
                "/".join(name)
                for name, other in rivals.items()
                if any(other.matches(meta.labels(pod)) for pod in alike.values())
            )
            if len(selecting) > 1:
                why = f"pods by selector {text} are controlled by multiple HPAs: [{' '.join(selecting)}]"
                self._refuse(look, "AmbiguousSelector", why)
        return found

    def _pods_of(self, namespace: str, selector: Selector, now: datetime) -> list[Object]:
        """Found by their labels where the selector names some: not all pods are looked at for each of many autoscalers."""
        exact = {
            one.key: next(iter(one.values))
            for one in selector.requirements
            if one.operator == "In" and len(one.values) == 1
        }
        candidates = World({PODS: self._pods}, now).pods_labelled(namespace, exact)
        return [pod for pod in candidates if selector.matches(meta.labels(pod))]

    def _refuse(self, look: _Look, reason: str, why: str) -> Any:
        self._recorder.event(look.hpa, "Warning", reason, why)
        look.set(ACTIVE, False, reason, why)
        raise _Stop(why, "spec")


def tolerances_of(hpa: Object, standard: float) -> Tolerances:
    behavior = hpa["spec"].get("behavior") or {}
    up, down = ((behavior.get(way) or {}).get("tolerance") for way in ("scaleUp", "scaleDown"))
    return Tolerances(
        standard if up is None else float(quantity.parse(up)),
        standard if down is None else float(quantity.parse(down)),
    )
