"""Deployments, replica sets, stateful sets and daemon sets that do not get where they should; why their pods fail is told about the pods."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.insight.commands import apply
from pinnace.insight.findings import (
    CAUSE,
    EFFECT,
    LIKELY,
    NOTE,
    Finding,
    Object,
    condition,
    field,
    finding,
    ready_to_type,
)
from pinnace.insight.whatif.obstacles import alone
from pinnace.insight.world import World

START_SECONDS = 60  # what a pod may take to be ready without anything being wrong


def paused(deployment: Object, _: World) -> Iterator[Finding]:
    status, metadata = deployment.get("status") or {}, deployment["metadata"]
    if not deployment["spec"].get("paused"):
        return
    wanted = deployment["spec"].get("replicas", 1)
    is_behind = (status.get("updatedReplicas") or 0) < wanted or (
        status.get("observedGeneration") or 0
    ) < metadata.get("generation", 0)
    yield finding(
        deployment, "its rollout is paused: changes of the template wait", rank=CAUSE if is_behind else NOTE,
        evidence=[field(deployment, "spec.paused", True)],
        commands=[ready_to_type("rollout resume", deployment)],
    )  # fmt: skip


def short(owner: Object, world: World) -> Iterator[Finding]:
    """Fewer pods available than wanted: the effect whose cause is looked for further down."""
    if "deletionTimestamp" in owner["metadata"]:
        return
    status = owner.get("status") or {}
    if owner["kind"] == "DaemonSet":
        wanted, have = status.get("desiredNumberScheduled") or 0, status.get("numberAvailable") or 0
        where = "status.numberAvailable"
    else:
        wanted, have = (
            owner["spec"].get("replicas", 1),
            status.get("availableReplicas") or status.get("readyReplicas") or 0,
        )
        where = "status.availableReplicas"
    if have >= wanted:
        return
    progress = meta.find_condition(owner, "Progressing") or {}
    evidence = [field(owner, where, f"{have} of {wanted}")]
    text = f"{have} of {wanted} pods are available"
    if progress.get("reason") == "ProgressDeadlineExceeded":
        evidence.append(condition(owner, progress))
        text += f", and it has not come further within progressDeadlineSeconds ({owner['spec'].get('progressDeadlineSeconds', 600)} s)"
    commands = [ready_to_type("describe", owner)]
    if owner["kind"] == "Deployment" and int(_revision(owner)) > 1:
        commands = [ready_to_type("rollout undo", owner), *commands]
    yield finding(
        owner,
        text,
        rank=EFFECT,
        evidence=evidence,
        commands=commands,
        is_progress=_is_under_way(owner, progress, world),
    )


def rollout(deployment: Object, world: World) -> Iterator[Finding]:
    """The old pods serve, and the new ones do not come."""
    status, spec = deployment.get("status") or {}, deployment["spec"]
    wanted, have = spec.get("replicas", 1), status.get("availableReplicas") or 0
    behind = (status.get("updatedReplicas") or 0) < wanted or (status.get("replicas") or 0) > (status.get("updatedReplicas") or 0)  # fmt: skip
    if have < wanted or not behind or spec.get("paused") or int(_revision(deployment)) < 2:
        return
    progress = meta.find_condition(deployment, "Progressing") or {}
    yield finding(
        deployment, f"its rollout does not come further: {status.get('updatedReplicas') or 0} of {wanted} pods are of the new template, and old ones serve on",
        rank=EFFECT, evidence=[field(deployment, "status.updatedReplicas", status.get("updatedReplicas")), field(deployment, "status.unavailableReplicas", status.get("unavailableReplicas") or 0)],
        commands=[ready_to_type("rollout undo", deployment), ready_to_type("rollout history", deployment)], is_progress=_is_under_way(deployment, progress, world),
    )  # fmt: skip


def _is_under_way(owner: Object, progress: Object, world: World) -> bool:
    """A Deployment says so itself; of others, something is younger than a start may take."""
    if progress:
        return progress.get("status") == "True" and progress.get("reason") != "NewReplicaSetAvailable"
    found = world.owned_by(owner, "Pod")
    return world.age(owner) < START_SECONDS or any(
        world.age(pod) < START_SECONDS for pod in found if not pods.is_ready(pod)
    )


def _revision(deployment: Object) -> str:
    text = meta.annotations(deployment).get("deployment.kubernetes.io/revision", "0")
    return text if text.isdecimal() else "0"


def unobserved(owner: Object, world: World) -> Iterator[Finding]:
    """No controller has looked at the newest spec."""
    seen = (owner.get("status") or {}).get("observedGeneration")
    generation = owner["metadata"].get("generation")
    if (
        generation
        and (seen or 0) < generation
        and not world.owned_by(owner, "Pod")
        and not world.owned_by(owner, "ReplicaSet")
        and not world.events(owner)
    ):
        yield finding(
            owner, f"no controller has acted on it: is the {owner['kind']} controller running?", rank=LIKELY,
            evidence=[field(owner, "metadata.generation", generation), field(owner, "status.observedGeneration", seen)],
            commands=["kubectl get leases -n kube-system"],
        )  # fmt: skip


def scaled_to_nothing(owner: Object, _: World) -> Iterator[Finding]:
    if owner["spec"].get("replicas") == 0 and not owner["metadata"].get("ownerReferences"):
        yield finding(
            owner, "it is scaled to 0: no pods are wanted", rank=NOTE, evidence=[field(owner, "spec.replicas", 0)],
            commands=[ready_to_type("scale", owner, "--replicas=1")],
        )  # fmt: skip


def ordered(stateful_set: Object, world: World) -> Iterator[Finding]:
    """With OrderedReady one pod that is not ready keeps all later ones from being created."""
    if (stateful_set["spec"].get("podManagementPolicy") or "OrderedReady") != "OrderedReady":
        return
    found = {meta.name(pod): pod for pod in world.owned_by(stateful_set, "Pod")}
    wanted = stateful_set["spec"].get("replicas", 1)
    for ordinal in range(wanted):
        pod = found.get(f"{meta.name(stateful_set)}-{ordinal}")
        if pod is None:
            return
        if not pods.is_ready(pod) and ordinal + 1 < wanted:
            yield finding(
                stateful_set, f"pods are made one after the other: {meta.name(pod)} is not ready, so {meta.name(stateful_set)}-{ordinal + 1} waits",
                rank=EFFECT, is_progress=world.age(pod) < START_SECONDS, evidence=[field(pod, "status.phase", pods.phase(pod)), field(stateful_set, "spec.podManagementPolicy", "OrderedReady")],
                commands=[ready_to_type("describe", pod)],
            )  # fmt: skip
            return


def governing_service(stateful_set: Object, world: World) -> Iterator[Finding]:
    """Its pods run without it, and nobody finds them by name."""
    name = stateful_set["spec"].get("serviceName")
    if name and world.is_missing("Service", meta.namespace(stateful_set), name):
        yield finding(
            stateful_set, f"service {name} is not there, so its pods have no names of their own (POD.{name})",
            rank=NOTE, evidence=[field(stateful_set, "spec.serviceName", name)],
            commands=[apply(_headless(stateful_set, name))],
        )  # fmt: skip


def _headless(stateful_set: Object, name: str) -> Object:
    selector = stateful_set["spec"]["selector"].get("matchLabels") or meta.labels(
        stateful_set["spec"]["template"]
    )
    metadata = {"name": name, "namespace": meta.namespace(stateful_set)}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": "None", "selector": selector}}  # fmt: skip


def missed_nodes(daemon_set: Object, world: World) -> Iterator[Finding]:
    """Its pods are where its template fits; what keeps one off the others."""
    have = {pods.node_name(one) for one in world.owned_by(daemon_set, "Pod")}
    if not world.is_asked(daemon_set) or not have or not world.can_list("Pod"):
        return
    example = {"kind": "Pod", "metadata": {**(daemon_set["spec"]["template"].get("metadata") or {}), "name": meta.name(daemon_set), "namespace": meta.namespace(daemon_set)},
               "spec": daemon_set["spec"]["template"]["spec"]}  # fmt: skip
    for node in world.every("Node"):
        if meta.name(node) in have:
            continue
        found = [
            one for one in alone(example, node, world) if one.kind in ("labels", "taint") and one.commands
        ]
        if found:
            yield finding(
                daemon_set, f"node {meta.name(node)} has none of its pods: {found[0].text}", rank=NOTE,
                evidence=[field(daemon_set, "status.desiredNumberScheduled", (daemon_set.get("status") or {}).get("desiredNumberScheduled"))],
                commands=[*found[0].commands, ready_to_type("edit", daemon_set)],
            )  # fmt: skip


def no_node_for_daemons(daemon_set: Object, world: World) -> Iterator[Finding]:
    status = daemon_set.get("status") or {}
    if status.get("observedGeneration") and not status.get("desiredNumberScheduled") and world.every("Node"):
        spec = daemon_set["spec"]["template"]["spec"]
        yield finding(
            daemon_set, "it wants no pod on any node: its node selector, affinity and tolerations fit none",
            rank=LIKELY if world.is_asked(daemon_set) else NOTE,
            evidence=[field(daemon_set, "spec.template.spec.nodeSelector", spec.get("nodeSelector")), field(daemon_set, "status.desiredNumberScheduled", 0)],
            commands=[*_to_a_node(daemon_set, world), ready_to_type("edit", daemon_set), "kubectl get nodes --show-labels"],
        )  # fmt: skip


def _to_a_node(daemon_set: Object, world: World) -> list[str]:
    """The labels that the nearest node lacks."""
    example = {
        "kind": "Pod",
        "metadata": {"name": meta.name(daemon_set)},
        "spec": daemon_set["spec"]["template"]["spec"],
    }
    found = [
        [one for one in alone(example, node, world) if one.kind in ("labels", "taint")]
        for node in world.every("Node")
    ]
    nearest = min((one for one in found if one), key=len, default=[])
    return [command for one in nearest for command in one.commands]
