"""One pass over one Deployment: find or make the new ReplicaSet, size all sets for the strategy, tidy up, report."""

from collections.abc import Generator, Iterator

from pinnace.api import meta
from pinnace.api.apps.deployments import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    REVISION,
    is_complete,
    is_rolling_update,
    new_replica_set,
    replicas,
    revision,
)
from pinnace.api.meta import Object
from pinnace.api.resources import REPLICA_SETS
from pinnace.controllers.deployment import revisions, sizes, status
from pinnace.controllers.runtime import (
    Action,
    Create,
    Delete,
    Emit,
    RequeueAfter,
    SetStatus,
    Update,
    World,
    conditions,
    pods,
)

Acting = Generator[Action, None, bool]
"""Yields actions and returns whether it did something that later steps must wait for."""


class Rollout:
    def __init__(self, deployment: Object, owned: list[Object], world: World) -> None:
        self.deployment, self.world = deployment, world
        self.new = new_replica_set(deployment, owned)
        self.old = [rs for rs in revisions.by_age(owned) if rs is not self.new]
        self.sets = [*self.old, *([self.new] if self.new is not None else [])]
        self.status: Object = deployment.get("status") or {}
        self.conditions: list[Object] = list(self.status.get("conditions") or [])
        self.collisions: int = self.status.get("collisionCount", 0)
        self.number = meta.annotations(deployment).get(REVISION, "")

    def run(self) -> Iterator[Action]:
        spec = self.deployment["spec"]
        if meta.is_terminating(self.deployment):
            yield from self.report(rolling_out=False)
        elif spec.get("paused"):
            self._note_pause()
            yield from self._resize(tidy=True)
        elif self._replicas_changed():
            self._note_pause()
            yield from self._resize(tidy=False)
        else:
            self._note_pause()
            steps = self._roll() if is_rolling_update(self.deployment) else self._recreate()
            acted = yield from steps
            if not acted and is_complete(self.deployment, self.status):
                yield from self._tidy()
            yield from self.report(rolling_out=True)

    # --- pausing and scaling: no new revision comes into being

    def _note_pause(self) -> None:
        """Time spent paused must not count as lack of progress."""
        current = conditions.find(self.conditions, "Progressing")
        reason = current.get("reason") if current else ""
        if status.deadline_of(self.deployment) is None or reason == "ProgressDeadlineExceeded":
            return
        paused = bool(self.deployment["spec"].get("paused"))
        if paused and reason != "DeploymentPaused":
            self._progressing("Unknown", "DeploymentPaused", "Deployment is paused")
        elif not paused and reason == "DeploymentPaused":
            self._progressing("Unknown", "DeploymentResumed", "Deployment is resumed")

    def _progressing(self, value: str, reason: str, message: str) -> None:
        new = status.condition("Progressing", value, reason, message, self.world.now)
        self.conditions = status.with_condition(self.conditions, new)

    def _replicas_changed(self) -> bool:
        """Somebody changed `spec.replicas` since the active sets were last sized."""
        target = replicas(self.deployment)
        return any(
            sizes.annotation_number(rs, DESIRED_REPLICAS) not in (None, target)
            for rs in self.sets
            if replicas(rs) > 0
        )

    def _resize(self, *, tidy: bool) -> Iterator[Action]:
        acted = yield from self._sync_revision(create=False)
        if not acted:
            yield from self._scale_all()
            if tidy:
                yield from self._tidy()
        yield from self.report(rolling_out=False)

    def _scale_all(self) -> Iterator[Action]:
        active = [rs for rs in self.sets if replicas(rs) > 0]
        if len(active) <= 1:
            latest = active[0] if active else self.new or (self.old[-1] if self.old else None)
            if latest is not None:
                yield from self._scale(latest, replicas(self.deployment))
        elif sizes.is_saturated(self.deployment, self.new):
            for rs in self.old:
                yield from self._scale(rs, 0)
        elif is_rolling_update(self.deployment):
            wanted = sizes.proportional(self.deployment, active)
            for rs in active:
                yield from self._scale(rs, wanted[meta.name(rs)])

    def _scale(self, rs: Object, size: int) -> Iterator[Action]:
        """Give `rs` its size and write down what it was sized for."""
        noted = {
            **meta.annotations(rs),
            DESIRED_REPLICAS: str(replicas(self.deployment)),
            MAX_REPLICAS: str(sizes.max_pods(self.deployment)),
        }
        before = replicas(rs)
        if before == size and noted == meta.annotations(rs):
            return
        yield Update(
            {
                **rs,
                "metadata": {**rs["metadata"], "annotations": noted},
                "spec": {**rs["spec"], "replicas": size},
            }
        )
        if before != size:
            yield self._scaled(meta.name(rs), before, size)

    def _scaled(self, name: str, before: int, size: int) -> Action:
        direction = "up" if size > before else "down"
        message = f"Scaled {direction} replica set {name} from {before} to {size}"
        return Emit(self.deployment, "Normal", "ScalingReplicaSet", message)

    # --- the new revision

    def _sync_revision(self, *, create: bool) -> Acting:
        """Give the new set its revision and the Deployment the same number; make the set when there is none."""
        number = max(map(revision, self.old), default=0) + 1
        if self.new is None:
            return (yield from self._create(number)) if create else False
        annotations = revisions.new_annotations(self.deployment, self.new, number)
        min_ready = self.deployment["spec"].get("minReadySeconds") or 0
        acted = False
        if (
            annotations != meta.annotations(self.new)
            or (self.new["spec"].get("minReadySeconds") or 0) != min_ready
        ):
            metadata = {**self.new["metadata"], "annotations": annotations}
            spec = {**self.new["spec"], "minReadySeconds": min_ready}
            yield Update({**self.new, "metadata": metadata, "spec": spec})
            acted = True
        self.number = annotations.get(REVISION, str(number))
        current = conditions.find(self.conditions, "Progressing")
        if status.deadline_of(self.deployment) is not None and (
            current is None or current.get("reason") == "ReplicaSetCreateError"
        ):
            message = f'Found new replica set "{meta.name(self.new)}"'
            self._progressing("True", "FoundNewReplicaSet", message)
        return acted

    def _create(self, number: int) -> Acting:
        size = sizes.new_set_size(self.deployment, None, self.old)
        rs = revisions.new_set(self.deployment, size, sizes.max_pods(self.deployment), number)
        name = meta.name(rs)
        if self.world.get(REPLICA_SETS, name, meta.namespace(rs)) is not None:
            self.collisions += 1  # somebody else has this name: the next pass builds another one
            return True
        yield Create(rs)
        if size > 0:
            yield self._scaled(name, 0, size)
        self.number = str(number)
        if status.deadline_of(self.deployment) is not None:
            if self.world.failure is None:
                self._progressing("True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
            else:
                message = f'Failed to create new replica set "{name}": {self.world.failure}'
                self._progressing("False", "ReplicaSetCreateError", message)
        return True

    # --- the strategies

    def _roll(self) -> Acting:
        """RollingUpdate: grow the new set as far as maxSurge allows, then shrink old ones as far as maxUnavailable does."""
        acted = yield from self._sync_revision(create=True)
        if acted or self.new is None:
            return True
        size = sizes.new_set_size(self.deployment, self.new, self.old)
        if replicas(self.new) > replicas(self.deployment):
            size = replicas(self.deployment)
        if size != replicas(self.new):
            yield from self._scale(self.new, size)
            return True
        down = sizes.rolled_down(self.deployment, self.new, self.old)
        for rs in self.old:
            if meta.name(rs) in down:
                yield from self._scale(rs, down[meta.name(rs)])
        return bool(down)

    def _recreate(self) -> Acting:
        """Recreate: first all old pods go, and only when the last one is gone does the new set come."""
        acted = yield from self._sync_revision(create=False)
        active = [rs for rs in self.old if replicas(rs) > 0]
        for rs in active:
            yield from self._scale(rs, 0)
        if acted or active or self._old_pods_run():
            return True
        if self.new is None:
            return (yield from self._sync_revision(create=True))
        if replicas(self.new) != replicas(self.deployment):
            yield from self._scale(self.new, replicas(self.deployment))
            return True
        return False

    def _old_pods_run(self) -> bool:
        return any(not pods.is_terminal(pod) for rs in self.old for pod in self.world.pods_of(rs))

    # --- afterwards

    def _tidy(self) -> Iterator[Action]:
        """Delete old, empty sets beyond `spec.revisionHistoryLimit`, oldest revision first."""
        limit = self.deployment["spec"].get("revisionHistoryLimit")
        if limit is None or limit == status.NO_DEADLINE:
            return
        candidates = sorted((rs for rs in self.old if not meta.is_terminating(rs)), key=revision)
        for rs in candidates[: max(0, len(candidates) - limit)]:
            observed = rs.get("status") or {}
            is_stale = rs["metadata"].get("generation", 0) > observed.get("observedGeneration", 0)
            if not (observed.get("replicas") or replicas(rs) or is_stale):
                yield Delete(rs)

    def _numbered(self) -> Object:
        """The Deployment with its revision: written together with the status, so that its generation does not move."""
        annotations = {
            **meta.annotations(self.deployment),
            **({REVISION: self.number} if self.number else {}),
        }
        return {**self.deployment, "metadata": {**self.deployment["metadata"], "annotations": annotations}}

    def report(self, *, rolling_out: bool) -> Iterator[Action]:
        numbers = status.counts(self.deployment, self.sets, self.new)
        if self.collisions:
            numbers["collisionCount"] = self.collisions
        available = status.availability(self.deployment, numbers, self.world.now)
        found = status.with_condition(self.conditions, available)
        if rolling_out:
            found = status.Progress(self.deployment, numbers, self.new, self.world.now).apply(found)
            failure = status.replica_failure(self.sets, self.new)
            found = (
                status.with_condition(found, failure)
                if failure
                else conditions.without(found, "ReplicaFailure")
            )
        observed = {**numbers, "conditions": found}
        if observed != self.status or self.number != meta.annotations(self.deployment).get(REVISION, ""):
            yield SetStatus(self._numbered(), observed)
        if rolling_out:
            left = status.time_left(self.deployment, conditions.find(found, "Progressing"), self.world.now)
            if left is not None:
                yield RequeueAfter(left + 1)
