"""One pass over one StatefulSet: write the revision down, fill the places, scale down, roll, tidy up, report.

`OrderedReady` takes one step at a time and only while everything before it is available; `Parallel` takes all steps at once.
"""

from collections.abc import Generator, Iterator, Sequence

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.controllers import history
from pinnace.controllers.runtime import (
    Action,
    Count,
    Delete,
    RequeueAfter,
    SetStatus,
    Update,
    World,
    pods,
)
from pinnace.controllers.runtime.measures import Measure
from pinnace.controllers.statefulset import claims, identity, rolling, wording
from pinnace.controllers.statefulset.slots import Slot, by_ordinal, is_healthy, is_running_and_ready
from pinnace.controllers.statefulset.status import observed

HASH_LABEL = "controller.kubernetes.io/hash"  # of a revision
BURST = 500  # pods per pass
VIOLATIONS = Measure(
    "statefulset_controller_statefulset_unavailability_violation",
    "Number of times maxunavailable has been violated",
    ("statefulset_namespace", "statefulset_name", "pod_management_policy"),
)

Stopping = Generator[Action, None, bool]
"""Yields actions and returns whether an ordered set must wait for them."""


class Pass:
    def __init__(self, ss: Object, world: World, owned: list[Object], revisions: list[Object]) -> None:
        self.ss, self.world, self.owned = ss, world, owned
        self.history = history.history_of(ss, revisions)
        self.status: Object = ss.get("status") or {}
        self.collisions: int = self.status.get("collisionCount", 0)
        self.min_ready: int = ss["spec"].get("minReadySeconds") or 0
        self.placed, self.condemned = by_ordinal(ss, owned)

    def run(self) -> Iterator[Action]:
        steps = history.write_down(self.ss, self.history, self.collisions, self.world, HASH_LABEL)
        for step in steps:
            if isinstance(step, int):
                yield SetStatus(self.ss, {**self.status, "collisionCount": step})
            else:
                yield step
        if self.history.current is None:
            return
        self.update = self.history.current
        known = [*self.history.old, self.update]
        named = [r for r in known if meta.name(r) == self.status.get("currentRevision")]
        self.current = named[0] if named else self.update
        self.slots = self._slots()
        rolled = 0
        if not meta.is_terminating(self.ss):
            ordered = self.ss["spec"].get("podManagementPolicy") != "Parallel"
            settled = yield from self._ordered() if ordered else self._parallel()
            if settled and rolling.is_rolling(self.ss):
                rolled = yield from self._roll()
                if rolling.is_violated(self.ss, self.slots, self.world.now):
                    policy = self.ss["spec"].get("podManagementPolicy") or "OrderedReady"
                    yield Count(VIOLATIONS, (*meta.key(self.ss), policy))
        yield from self._report(rolled)
        yield from self._tidy()
        yield from self._recheck_availability()

    def _slots(self) -> list[Slot]:
        kept = self._kept()
        return [
            Slot(ordinal, pod, identity.revision_of(pod))
            if (pod := self.placed.get(ordinal)) is not None
            else Slot(ordinal, None, meta.name(self.current if number < kept else self.update))
            for number, ordinal in enumerate(identity.ordinals(self.ss))
        ]

    def _kept(self) -> int:
        """How many of the lowest ordinals come back with the current revision while an update is on its way."""
        part = rolling.partition(self.ss)
        if part is not None:
            return part
        return self.status.get("currentReplicas", 0) if rolling.is_rolling(self.ss) else 0

    # --- the two ways

    def _ordered(self) -> Stopping:
        """Lowest ordinal first up, highest first down, one at a time. Returns whether there is nothing left to wait for."""
        for slot in self.slots:
            if (yield from self._fill(slot)):
                return False
        for pod in self.condemned:
            yield from self._keep_claims(pod)
        if not self.condemned:
            return True
        first = self.condemned[0]
        troubled = [pod for pod in self.condemned if not is_healthy(pod, self.min_ready, self.world.now)]
        works = is_running_and_ready(first) and pods.is_available(first, self.min_ready, self.world.now)
        if not meta.is_terminating(first) and (works or first is troubled[-1]):
            yield self._delete(first)
        return False

    def _fill(self, slot: Slot) -> Stopping:
        pod = slot.pod
        if pod is None:
            yield from self._create([slot])
            return True
        if pods.is_terminal(pod):
            if not meta.is_terminating(pod):
                yield self._delete(pod)
            return True
        if pods.phase(pod) == "Pending":
            yield from self._complete_claims(pod)
        if not (is_running_and_ready(pod) and is_healthy(pod, self.min_ready, self.world.now)):
            return True
        yield from self._keep_identity(pod, slot.ordinal)
        return False

    def _parallel(self) -> Stopping:
        """Everything at once; what is unhealthy holds nobody up."""
        present = [(slot.ordinal, slot.pod) for slot in self.slots if slot.pod is not None]
        for _, pod in present:
            if pods.is_terminal(pod) and not meta.is_terminating(pod):
                yield self._delete(pod)
        yield from self._create([slot for slot in self.slots if slot.pod is None])
        for ordinal, pod in present:
            if pods.is_terminal(pod):
                continue
            if pods.phase(pod) == "Pending":
                yield from self._complete_claims(pod)
            yield from self._keep_identity(pod, ordinal)
        for pod in self.condemned:
            yield from self._keep_claims(pod)
        for pod in self.condemned:
            if not meta.is_terminating(pod):
                yield self._delete(pod)
        return True

    def _roll(self) -> Generator[Action, None, int]:
        victims = rolling.outdated(self.ss, self.slots, meta.name(self.update), self.world.now)
        for pod in victims:
            yield self._delete(pod)
        return len(victims)

    # --- pods

    def _create(self, missing: Sequence[Slot]) -> Iterator[Action]:
        """Claims come before their pod. Pods whose claims are there go first: claims that cannot be made hold up only their own."""
        furnished: list[Slot] = []
        waiting: list[Slot] = []
        for slot in missing[:BURST]:
            name = identity.pod_name(self.ss, slot.ordinal)
            found = list(claims.existing(self.ss, slot.ordinal, self.world))
            bearer = claims.Bearer(name, "", wanted=True)
            if any(claims.is_stale(self.ss, claim, bearer) for claim in found):
                continue
            if leaving := next((claim for claim in found if meta.is_terminating(claim)), None):
                yield wording.pod_not_made(self.ss, name, f"pvc {meta.name(leaving)} is being deleted")
                continue
            complete = len(found) == len(claims.templates(self.ss))
            (furnished if complete else waiting).append(slot)
            yield from self._own_claims(found, bearer)
        for slot in furnished:
            yield wording.create_pod(self.ss, self._pod_for(slot))
        for slot in waiting:
            yield from self._missing_claims(slot.ordinal)
        for slot in waiting:
            yield wording.create_pod(self.ss, self._pod_for(slot))

    def _pod_for(self, slot: Slot) -> Object:
        revision = self.current if slot.revision == meta.name(self.current) else self.update
        return identity.new_pod(self.ss, history.template_of(revision, self.ss), slot.ordinal, slot.revision)

    def _delete(self, pod: Object) -> Delete:
        return wording.delete_pod(self.ss, pod)

    def _keep_identity(self, pod: Object, ordinal: int) -> Iterator[Action]:
        """Labels and claims of a running pod are put right; volumes cannot be changed, so there an attempt says why."""
        if (yield from self._keep_claims(pod)):
            yield wording.pod_updated(self.ss, pod)
        if not (identity.matches(self.ss, pod, ordinal) and claims.are_mounted(self.ss, ordinal, pod)):
            yield from self._missing_claims(ordinal)
            yield wording.update_pod(self.ss, identity.restored(self.ss, pod))

    # --- claims

    def _bearer(self, pod: Object) -> claims.Bearer:
        wanted = identity.ordinal_of(pod) in identity.ordinals(self.ss)
        return claims.Bearer(meta.name(pod), meta.uid(pod), wanted)

    def _missing_claims(self, ordinal: int) -> Iterator[Action]:
        there = {meta.name(claim) for claim in claims.existing(self.ss, ordinal, self.world)}
        for claim in claims.new_claims(self.ss, ordinal):
            if meta.name(claim) not in there:
                yield wording.create_claim(self.ss, claim, identity.pod_name(self.ss, ordinal))

    def _complete_claims(self, pod: Object) -> Iterator[Action]:
        yield from self._missing_claims(identity.ordinal_of(pod))
        yield from self._keep_claims(pod)

    def _keep_claims(self, pod: Object) -> Stopping:
        """Give the pod's claims the owners that the retention policy asks for; True when there was something to do."""
        if not claims.templates(self.ss):
            return False
        found = list(claims.existing(self.ss, identity.ordinal_of(pod), self.world))
        return (yield from self._own_claims(found, self._bearer(pod)))

    def _own_claims(self, found: Sequence[Object], bearer: claims.Bearer) -> Stopping:
        acted = False
        for claim in found:
            due = claims.owners(self.ss, claim, bearer)
            if due is None:
                continue
            if claims.has_conflict(self.ss, claim, bearer):
                yield wording.conflicting_controller(self.ss, claim)
            yield Update({**claim, "metadata": {**claim["metadata"], "ownerReferences": due}})
            acted = True
        return acted

    # --- afterwards

    def _report(self, rolled: int) -> Iterator[Action]:
        status = observed(self.ss, self.owned, self.current, self.update, rolled, self.world.now)
        status["collisionCount"] = self.collisions
        if status != self.status:
            yield SetStatus(self.ss, status)

    def _tidy(self) -> Iterator[Action]:
        """Delete the oldest revisions beyond `spec.revisionHistoryLimit` that nothing is of; a negative limit keeps all."""
        limit = history.limit_of(self.ss)
        live = {meta.name(self.current), meta.name(self.update), *map(identity.revision_of, self.owned)}
        past = [revision for revision in self.history.old if meta.name(revision) not in live]
        if limit >= 0:
            for revision in past[: max(0, len(past) - limit)]:
                yield Delete(revision)

    def _recheck_availability(self) -> Iterator[Action]:
        """Nothing happens when a ready pod has been ready for long enough: look again then."""
        if not self.min_ready:
            return
        waits = [w for pod in self.owned if (w := pods.available_in(pod, self.min_ready, self.world.now))]
        if waits:
            yield RequeueAfter(min(waits) + 0.1)
