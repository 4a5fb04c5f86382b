"""TTL after finished: Jobs go when `ttlSecondsAfterFinished` has passed since their end, and their pods with them.

Upstream reads the Job once more before it deletes it; here the deletion itself demands that the Job has not changed.
"""

from collections.abc import Iterator
from datetime import timedelta

from pinnace.api import meta
from pinnace.api.batch.job_status import finished_at
from pinnace.api.meta import Object
from pinnace.api.resources import JOBS
from pinnace.controllers.runtime import Action, Controller, Delete, RequeueAfter, World


def reconcile(job: Object, world: World) -> Iterator[Action]:
    ttl, end = job["spec"].get("ttlSecondsAfterFinished"), finished_at(job)
    if meta.is_terminating(job) or ttl is None or end is None:
        return
    left = (end + timedelta(seconds=ttl) - world.now).total_seconds()
    if left > 0:
        yield RequeueAfter(left)
    else:
        yield Delete(job, propagation_policy="Foreground", guarded=True)


def is_concerned(_: Object | None, new: Object) -> bool:
    return new["spec"].get("ttlSecondsAfterFinished") is not None and finished_at(new) is not None


CONTROLLER = Controller(
    name="ttl-after-finished",
    source="ttl-after-finished-controller",
    primary=JOBS,
    reconcile=reconcile,
    concerns=is_concerned,
)
