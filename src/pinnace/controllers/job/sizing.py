"""How many pods of a Job should be active: what to start, what to stop, and when to look again."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from pinnace.api import meta
from pinnace.api.batch.job_status import (
    COMPLETION_INDEX,
    INDEX_FAILURES,
    INDEX_IGNORED_FAILURES,
    TRACKING,
    is_tracked,
)
from pinnace.api.meta import Object
from pinnace.controllers.job.backoff import Record, finished_at
from pinnace.controllers.job.snapshot import Snapshot, failures_of_index
from pinnace.controllers.replicaset import deletion_order
from pinnace.controllers.runtime import Action, Create, Delete, Patch, RequeueAfter, pods

BURST = 500  # pods started or stopped per pass
LONGEST_GENERATED = 58  # characters of a name before its random ending
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


def scale(seen: Snapshot, record: Record) -> Iterator[Action]:
    """Either stop pods or start some: what is too many goes first, and the next pass sees that it is gone."""
    surplus = to_stop(seen, max(0, len(seen.active) - wanted(seen)))
    if surplus:
        yield from stop(seen, surplus[: None if seen.is_suspended else BURST])
    else:
        yield from start(seen, record)


def wanted(seen: Snapshot) -> int:
    parallelism: int = seen.spec.get("parallelism", 1)
    if seen.is_suspended:
        return 0
    if seen.completions is None:  # a work queue: after the first success nothing is started any more
        return len(seen.active) if seen.succeeded else parallelism
    return max(0, min(parallelism, seen.completions - seen.succeeded))


# -- stopping
def to_stop(seen: Snapshot, at_least: int) -> list[Object]:
    """Pods that should not be there (a second one of its index, an index too high), then those that are cheapest to lose."""
    order = deletion_order(Counter(), seen.now)
    doomed, rest = [], seen.active
    if seen.is_indexed:
        by_index: dict[int | None, list[Object]] = {}
        for pod in seen.active:
            by_index.setdefault(seen.index_of(pod), []).append(pod)
        doomed, rest = by_index.pop(None, []), []
        for same in by_index.values():
            *others, best = sorted(same, key=order) if len(same) > 1 else same
            doomed += others
            rest.append(best)
    more = at_least - len(doomed)
    if more >= len(rest):
        return doomed + rest if more > 0 else doomed
    return doomed + sorted(rest, key=order)[:more] if more > 0 else doomed


def stop(seen: Snapshot, unwanted: list[Object]) -> Iterator[Action]:
    """What the controller stops itself is no failure: it is not to be counted, so its finalizer goes first."""
    for pod in unwanted:
        if is_tracked(pod):
            yield untrack(pod)
    for pod in unwanted:
        yield Delete(pod, about=seen.job)


def untrack(pod: Object) -> Patch:
    return Patch(pod, {"metadata": {"$deleteFromPrimitiveList/finalizers": [TRACKING]}}, strategic=True)


# -- starting
def start(seen: Snapshot, record: Record) -> Iterator[Action]:
    missing = wanted(seen) - len(seen.active)
    if seen.replaces_only_failed:
        missing -= len(seen.terminating)
    if missing <= 0:
        return
    per_index = seen.failed_indexes is not None
    wait = 0.0 if per_index else record.remaining(seen.now)
    if wait > 0:
        yield RequeueAfter(wait)
        return
    missing = min(missing, BURST)
    if not seen.is_indexed:
        for _ in range(missing):
            yield Create(pod_of(seen.job), about=seen.job)
        return
    waits = []
    for index in islice(seen.pending_indexes, missing):
        before = seen.awaiting_successor.get(index)
        wait = _wait_of_index(before, seen) if before is not None else 0.0
        if wait > 0:
            waits.append(wait)
            continue
        yield Create(indexed_pod_of(seen, index, before), about=seen.job)
    if waits:
        yield RequeueAfter(min(waits))


def _wait_of_index(before: Object, seen: Snapshot) -> float:
    return Record(sum(failures_of_index(before)) + 1, finished_at(before)).remaining(seen.now)


def pod_of(job: Object) -> Object:
    pod = pods.for_owner(job["spec"]["template"], job)
    finalizers = pod["metadata"].get("finalizers") or []
    if TRACKING not in finalizers:
        pod["metadata"]["finalizers"] = [*finalizers, TRACKING]
    return pod


def indexed_pod_of(seen: Snapshot, index: int, before: Object | None) -> Object:
    """`before` is the failed pod that this one replaces: its failures are counted on."""
    job, pod = seen.job, pod_of(seen.job)
    metadata, spec, name = pod["metadata"], pod["spec"], meta.name(job)
    ending = f"-{index}-"
    metadata["generateName"] = name[: LONGEST_GENERATED - len(ending)] + ending
    metadata["labels"] = {**metadata["labels"], COMPLETION_INDEX: str(index)}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), COMPLETION_INDEX: str(index)}
    if seen.failed_indexes is not None:
        counted, ignored = _failures_after(seen, before)
        metadata["annotations"][INDEX_FAILURES] = str(counted)
        if ignored:
            metadata["annotations"][INDEX_IGNORED_FAILURES] = str(ignored)
    pod["spec"] = {**spec, "hostname": f"{name}-{index}"}
    for part in ("initContainers", "containers"):
        if spec.get(part):
            pod["spec"][part] = [_with_index(container) for container in spec[part]]
    return pod


def _failures_after(seen: Snapshot, before: Object | None) -> tuple[int, int]:
    if before is None:
        return 0, 0
    counted, ignored = failures_of_index(before)
    return (counted + 1, ignored) if seen.judged(before).counts else (counted, ignored + 1)


def _with_index(container: Object) -> Object:
    env = container.get("env") or []
    if any(variable.get("name") == INDEX_VARIABLE for variable in env):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
    return {**container, "env": [*env, {"name": INDEX_VARIABLE, "valueFrom": source}]}
