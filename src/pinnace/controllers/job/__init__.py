"""Job controller: run pods until enough of them succeeded, or too many failed.

`snapshot` is what there is, `verdict` whether that is the end, `sizing` which pods to start and stop, `sync` the pass.
"""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.batch.job_status import TRACKING, is_finished, is_managed_elsewhere
from pinnace.api.meta import Object
from pinnace.api.resources import JOBS, NAMESPACES, PODS
from pinnace.client.informer import Key
from pinnace.controllers.job import counts, orphans
from pinnace.controllers.job.sync import Pass, failures_fact
from pinnace.controllers.runtime import Action, Controller, Count, World, claim, owned_by


def reconcile(job: Object, world: World) -> Iterator[Action]:
    if is_finished(job) or is_managed_elsewhere(job):
        world.forget(failures_fact(meta.key(job)))
        if is_managed_elsewhere(job) and world.recall(fact := counts.elsewhere_fact(meta.key(job))) is None:
            world.remember(fact, meta.uid(job))
            yield Count(counts.ELSEWHERE, (job["spec"]["managedBy"],))
        return
    owned = claim(job, PODS, world, finalizer=TRACKING)
    if owned.actions:  # the next pass sees whose the pods are now, and counts
        yield from owned.actions
        return
    yield from Pass(job, world, owned.kept).run()


def absent(key: Key, world: World) -> Iterator[Action]:
    """Pods of a Job that is gone are `orphans`' concern."""
    world.forget(failures_fact(key))
    world.forget(counts.elsewhere_fact(key))
    yield from ()


CONTROLLER = Controller(
    name="job",
    source="job-controller",
    primary=JOBS,
    reconcile=reconcile,
    absent=absent,
    watches={PODS: owned_by(JOBS, "Job")},
    reads=(NAMESPACES,),
    coalesce_seconds=0.2,
    passes=counts.PASSES,
)
ORPHANS = orphans.CONTROLLER
