"""How far a rollout has come, in kubectl's sentences. Pure."""

from typing import Any, NamedTuple

from pinnace.cli.errors import CliError
from pinnace.cli.mapper import Resource

Object = dict[str, Any]


class Progress(NamedTuple):
    message: str
    done: bool


def progress_of(resource: Resource, obj: Object) -> Progress:
    """Raises CliError for a rollout that failed, or a kind that has none."""
    reader = {"deployments": _deployment, "daemonsets": _daemon_set, "statefulsets": _stateful_set}.get(
        resource.name
    )
    if reader is None:
        raise CliError(f"no status viewer has been implemented for {resource.kind}")
    status = obj.get("status") or {}
    if obj["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        noun = {"deployments": "deployment", "daemonsets": "daemon set", "statefulsets": "statefulset"}[
            resource.name
        ]
        _check_strategy(resource, obj)
        return Progress(f"Waiting for {noun} spec update to be observed...", done=False)
    _check_strategy(resource, obj)
    return reader(obj["metadata"]["name"], obj["spec"], status)


def _check_strategy(resource: Resource, obj: Object) -> None:
    strategy = (obj["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate")
    if resource.name != "deployments" and strategy != "RollingUpdate":
        raise CliError("rollout status is only available for RollingUpdate strategy type")


def _deployment(name: str, spec: Object, status: Object) -> Progress:
    waiting = f'Waiting for deployment "{name}" rollout to finish:'
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise CliError(f'deployment "{name}" exceeded its progress deadline')
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    total, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return Progress(f"{waiting} {updated} out of {wanted} new replicas have been updated...", done=False)
    if total > updated:
        return Progress(f"{waiting} {total - updated} old replicas are pending termination...", done=False)
    if available < updated:
        return Progress(f"{waiting} {available} of {updated} updated replicas are available...", done=False)
    return Progress(f'deployment "{name}" successfully rolled out', done=True)


def _daemon_set(name: str, spec: Object, status: Object) -> Progress:
    waiting = f'Waiting for daemon set "{name}" rollout to finish:'
    wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    available = status.get("numberAvailable", 0)
    if updated < wanted:
        return Progress(f"{waiting} {updated} out of {wanted} new pods have been updated...", done=False)
    if available < wanted:
        return Progress(f"{waiting} {available} of {wanted} updated pods are available...", done=False)
    return Progress(f'daemon set "{name}" successfully rolled out', done=True)


def _stateful_set(name: str, spec: Object, status: Object) -> Progress:
    wanted, ready, updated = (
        spec.get("replicas", 1),
        status.get("readyReplicas", 0),
        status.get("updatedReplicas", 0),
    )
    if ready < wanted:
        return Progress(f"Waiting for {wanted - ready} pods to be ready...", done=False)
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition")
    if partition is not None:
        if updated < wanted - partition:
            return Progress(
                f"Waiting for partitioned roll out to finish: {updated} out of {wanted - partition} new pods have been updated...",
                done=False,
            )
        return Progress(f"partitioned roll out complete: {updated} new pods have been updated...", done=True)
    if status.get("updateRevision") != status.get("currentRevision"):
        return Progress(
            f"waiting for statefulset rolling update to complete {updated} pods at revision {status.get('updateRevision')}...",
            done=False,
        )
    return Progress(
        f"statefulset rolling update complete {status.get('currentReplicas', 0)} pods at revision {status.get('currentRevision')}...",
        done=True,
    )
