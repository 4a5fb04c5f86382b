"""Node lifecycle controller: notices nodes whose heartbeats stopped, says so in their conditions, and taints them.

A heartbeat is a renewed Lease or a newly posted status; its age is counted from when it was seen here, so clocks need not
agree. A healthy node is looked at when its heartbeats would be too old, not every few seconds as upstream does: thousands of
nodes cost little. Leaves out the legacy `beta.kubernetes.io` node labels and cloud providers' shutdown taint.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pinnace.api import meta
from pinnace.api.core import nodes
from pinnace.api.meta import Object
from pinnace.api.resources import LEASES, NODES, PODS
from pinnace.apimachinery.times import parse_time
from pinnace.client.informer import Key
from pinnace.controllers.nodes import taints
from pinnace.controllers.nodes.zones import EvictionLimiter, EvictionRates, zone_of
from pinnace.controllers.runtime import (
    Action,
    Controller,
    Emit,
    Patch,
    RequeueAfter,
    SetStatus,
    World,
    conditions,
    pods,
)

LEASE_NAMESPACE = "kube-node-lease"
RENEWED, POSTED = "lease renewed", "status posted"  # remembered facts
MOMENT = 0.01  # past a deadline
RATES_SECONDS = 1.0  # upstream looks at its zones every 5 s
MONITORED = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")


@dataclass(frozen=True, slots=True)
class NodeLifecycleConfig:
    """Seconds, as kube-controller-manager's flags of the same names."""

    node_monitor_period: float = 5.0
    node_monitor_grace_period: float = 50.0
    node_startup_grace_period: float = 60.0
    eviction: EvictionRates = field(default_factory=EvictionRates)


class NodeLifecycle:
    def __init__(self, config: NodeLifecycleConfig) -> None:
        self._config = config
        self._limiter = EvictionLimiter(config.eviction)
        self._known_rates: tuple[datetime | None, dict[str, float]] = (None, {})

    def reconcile(self, node: Object, world: World) -> Iterator[Action]:
        yield from greet(node, world)
        found = self.judged(node, world)
        status = node.get("status") or {}
        if found != (status.get("conditions") or []):
            yield SetStatus(node, {**status, "conditions": found})
            if _ready_status(found) == "Unknown" and nodes.is_ready(node):
                message = f"Node {meta.name(node)} status is now: NodeNotReady"
                yield Emit(_reference(node), "Normal", "NodeNotReady", message)
        yield from self._taint(node, found, world)
        if _ready_status(found) == "Unknown":
            yield from mark_pods_unready(node, world)
            yield from mark_pods_lost(node, world)
        yield RequeueAfter(self._next_look(node, found, world))

    def _next_look(self, node: Object, found: list[Object], world: World) -> float:
        """A node in trouble is watched closely; of others only the end of their grace is of interest."""
        period = self._config.node_monitor_period
        if _ready_status(found) != "True" or found != ((node.get("status") or {}).get("conditions") or []):
            return period
        left = (self._deadline(node, found, world) - world.now).total_seconds()
        return left + MOMENT if left > 0 else period

    def judged(self, node: Object, world: World) -> list[Object]:
        """The node's conditions; all Unknown when its heartbeats stopped for longer than the grace period."""
        found: list[Object] = (node.get("status") or {}).get("conditions") or []
        if world.now <= self._deadline(node, found, world):
            return found
        for kind in MONITORED:
            found = _silenced(node, kind, found, world)
        return found

    def _deadline(self, node: Object, found: list[Object], world: World) -> datetime:
        """Until when the node counts as alive if nothing more is heard of it."""
        name, ready = meta.name(node), conditions.find(found, "Ready")
        lease = world.get(LEASES, name, LEASE_NAMESPACE) or {}
        renewed = (lease.get("spec") or {}).get("renewTime")
        silent_for = min(
            world.age((RENEWED, name), renewed),
            world.age((POSTED, name), (ready or {}).get("lastHeartbeatTime")),
        )
        created = node["metadata"].get("creationTimestamp")
        if ready is None and renewed is None and created:
            return parse_time(created) + timedelta(seconds=self._config.node_startup_grace_period)
        return world.now - silent_for + timedelta(seconds=self._config.node_monitor_grace_period)

    def _taint(self, node: Object, found: list[Object], world: World) -> Iterator[Action]:
        """NoSchedule at once; NoExecute as fast as the zone allows, and never while every node looks dead."""
        wanted = taints.no_execute_key(found)
        current = {
            t["key"]
            for t in nodes.taints(node)
            if t["effect"] == "NoExecute" and t["key"] in taints.MANAGED_NO_EXECUTE
        }
        no_execute = {wanted} if wanted else set()
        if wanted:
            rate = self._rates(world).get(zone_of(node), 0.0)
            if rate <= 0 and self._all_dead(world):
                no_execute = set()
            elif not current:
                wait = self._limiter.wait(zone_of(node), rate, world.steady)
                if wait:
                    yield RequeueAfter(wait)
                no_execute = {wanted} if wait == 0 else set()
        result = taints.reconciled(
            nodes.taints(node), taints.no_schedule_keys(node, found), no_execute, world.now
        )
        if result != nodes.taints(node):
            yield Patch(node, {"spec": {"taints": result or None}}, guarded=True)

    def _rates(self, world: World) -> dict[str, float]:
        """Of every zone; all nodes are looked at for it, so not for each of many sick ones."""
        computed_at, rates = self._known_rates
        if computed_at is None or (world.steady - computed_at).total_seconds() >= RATES_SECONDS:
            rates = self._limiter.rates(world.all(NODES))
            self._known_rates = (world.steady, rates)
        return rates

    def _all_dead(self, world: World) -> bool:
        return not any(nodes.is_ready(node) for node in world.all(NODES))


def heard(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """Remember when a lease was renewed; that alone is no reason to look at the node."""
    lease = new or old
    if lease is not None and meta.namespace(lease) == LEASE_NAMESPACE:
        fact = (RENEWED, meta.name(lease))
        if new is None:
            world.forget(fact)
        else:
            world.remember(fact, (new.get("spec") or {}).get("renewTime"))
    return iter(())


def greet(node: Object, world: World) -> Iterator[Action]:
    """A node seen for the first time is registered with this controller."""
    fact = ("registered", meta.name(node))
    if not world.remembers(fact):
        world.remember(fact, meta.uid(node))
        message = f"Node {meta.name(node)} event: Registered Node {meta.name(node)} in Controller"
        yield Emit(_reference(node), "Normal", "RegisteredNode", message)


def absent(key: Key, world: World) -> Iterator[Action]:
    name = key[1]
    uid = world.forget(("registered", name))
    world.forget((RENEWED, name))
    world.forget((POSTED, name))
    if uid is not None:
        about = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": str(uid)}
        message = f"Node {name} event: Removing Node {name} from Controller"
        yield Emit(about, "Normal", "RemovingNode", message)


def _reference(node: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "name": meta.name(node), "uid": meta.uid(node)}


def _ready_status(found: list[Object]) -> str:
    ready = conditions.find(found, "Ready")
    return ready["status"] if ready is not None else ""


def _silenced(node: Object, kind: str, found: list[Object], world: World) -> list[Object]:
    """The condition turned Unknown; one that was never posted is added."""
    old = conditions.find(found, kind)
    if old is None:
        new = conditions.condition(
            kind, "Unknown", "NodeStatusNeverUpdated", "Kubelet never posted node status.", world.now
        )
        return [*found, {**new, "lastHeartbeatTime": node["metadata"].get("creationTimestamp")}]
    if old["status"] == "Unknown":
        return found
    new = conditions.condition(
        kind, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.", world.now
    )
    return conditions.with_condition(found, {**old, **new})


def mark_pods_unready(node: Object, world: World) -> Iterator[Action]:
    """Nobody on a silent node reports for its pods any more: traffic must not go there."""
    for pod in world.pods_on(meta.name(node)):
        if not pods.is_ready(pod):
            continue
        found = pod["status"]["conditions"]
        ready = conditions.find(found, "Ready") or {}
        fresh = conditions.condition("Ready", "False", "", "", world.now)
        changed = {**ready, "status": "False", "lastTransitionTime": fresh["lastTransitionTime"]}
        body = {"status": {"conditions": [changed if c is ready else c for c in found]}}
        yield Patch(pod, body, subresource="status", guarded=True)
        yield Emit(pod, "Warning", "NodeNotReady", "Node is not ready")


def mark_pods_lost(node: Object, world: World) -> Iterator[Action]:
    """Pods that were told to go, and whose node does not say that they went: clients show them as Unknown."""
    for pod in world.pods_on(meta.name(node)):
        if meta.is_terminating(pod) and (pod.get("status") or {}).get("reason") != "NodeLost":
            message = f"Node {meta.name(node)} which was running pod {meta.name(pod)} is unresponsive"
            yield Patch(pod, {"status": {"reason": "NodeLost", "message": message}}, subresource="status")


def worth_a_pass(old: Object | None, new: Object) -> bool:
    """Heartbeats alone are looked at by the clock, not one by one."""
    if old is None:
        return True
    if old.get("spec") != new.get("spec"):
        return True

    def states(node: Object) -> list[tuple[str, str]]:
        return [(c["type"], c["status"]) for c in (node.get("status") or {}).get("conditions") or ()]

    return states(old) != states(new)


def controller(config: NodeLifecycleConfig) -> Controller:
    return Controller(
        name="node-lifecycle",
        source="node-controller",
        primary=NODES,
        reconcile=NodeLifecycle(config).reconcile,
        absent=absent,
        concerns=worth_a_pass,
        watches={LEASES: heard},
        reads=(PODS,),
    )
