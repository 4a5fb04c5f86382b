"""Pods that wait to be counted by a Job that is gone, or finished: their finalizer is taken off."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.batch.job_status import is_finished, is_managed_elsewhere, is_tracked
from pinnace.api.meta import Object
from pinnace.api.resources import JOBS, PODS
from pinnace.client.informer import Key
from pinnace.controllers.job.sizing import untrack
from pinnace.controllers.runtime import Action, Controller, World


def reconcile(pod: Object, world: World) -> Iterator[Action]:
    if is_tracked(pod) and _is_orphan(pod, world):
        yield untrack(pod)


def _is_orphan(pod: Object, world: World) -> bool:
    reference = meta.controller_of(pod)
    if reference is None:
        return True
    if reference["kind"] != "Job" or not reference["apiVersion"].startswith("batch/"):
        return False
    job = world.get(JOBS, reference["name"], meta.namespace(pod))
    if job is None or meta.uid(job) != reference["uid"]:
        return True
    return is_finished(job) and not is_managed_elsewhere(job)


def pods_of_job(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    """The end of a Job, by deletion or otherwise, makes orphans."""
    if old is not None and (new is None or (is_finished(new) and not is_finished(old))):
        for pod in world.pods_of(old):
            if is_tracked(pod):
                yield meta.key(pod)


CONTROLLER = Controller(
    name="job_orphan_pod",
    source="job-controller",
    primary=PODS,
    reconcile=reconcile,
    watches={JOBS: pods_of_job},
    concerns=lambda _, new: is_tracked(new),
    workers=2,
)
