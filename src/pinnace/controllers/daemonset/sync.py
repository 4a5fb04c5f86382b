"""One pass over one DaemonSet: write the revision down, place pods, roll, tidy up, report."""

from collections.abc import Generator, Iterator
from datetime import timedelta

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import NODES
from pinnace.controllers import history
from pinnace.controllers.daemonset import placement, rolling
from pinnace.controllers.daemonset.history import digest_of, label, tidy, unite
from pinnace.controllers.runtime import (
    Action,
    Create,
    Delete,
    Emit,
    RequeueAfter,
    SetStatus,
    World,
    pods,
)

BURST = 250  # writes per pass
LONGEST_BACKOFF = 900.0  # seconds between two attempts on a node where daemon pods keep failing


class Pass:
    def __init__(self, ds: Object, world: World, owned: list[Object], revisions: list[Object]) -> None:
        self.ds, self.world, self.owned, self.revisions = ds, world, owned, revisions
        self.history = history.history_of(ds, revisions)
        self.digest = digest_of(self.history)
        self.status: Object = ds.get("status") or {}
        self.collisions: int = self.status.get("collisionCount", 0)
        self.min_ready: int = ds["spec"].get("minReadySeconds") or 0
        self.placed = placement.by_node(owned)
        spec = ds["spec"]["template"]["spec"]
        tolerated = placement.tolerations(spec)
        self.verdicts = {
            meta.name(node): placement.should_run(spec, tolerated, node) for node in world.all(NODES)
        }
        self.desired = [name for name, (start, _) in self.verdicts.items() if start]

    def run(self) -> Iterator[Action]:
        mended = [*label(self.revisions), *unite(self.history, self.owned)]
        if mended:
            yield from mended  # the next pass sees it
            return
        for step in history.write_down(
            self.ds, self.history, self.collisions, self.world, placement.HASH_LABEL
        ):
            if isinstance(step, int):
                self.collisions = step
            else:
                yield step
        if self.history.current is not None:
            acted = yield from self._place()
            if not acted and rolling.is_rolling(self.ds):
                yield from self._roll()
            yield from tidy(self.ds, self.history, self.owned)
        status = self.observed()
        if status != self.status:
            yield SetStatus(self.ds, status)
        yield from self._recheck_availability()

    @property
    def surges(self) -> bool:
        return rolling.is_rolling(self.ds) and rolling.budgets(self.ds, len(self.desired))[0] > 0

    # --- placing

    def _place(self) -> Generator[Action, None, bool]:
        """Start pods where one is missing, remove them where none belongs; True when something was done."""
        create: list[str] = []
        delete: list[Object] = []
        for node, (start, go_on) in self.verdicts.items():
            on_node = self.placed.get(node, [])
            if on_node and not go_on:
                delete += [pod for pod in on_node if not meta.is_terminating(pod)]
            elif on_node:
                delete += yield from self._unwanted(node, on_node)
                if start and self.surges and not any(map(pods.is_active, on_node)):
                    create.append(node)  # with surge a node need not wait until its last pod is gone
            elif start:
                create.append(node)
        delete += [
            pod
            for node, on_node in self.placed.items()
            if node not in self.verdicts
            for pod in on_node
            if not pods.node_name(pod) and not meta.is_terminating(pod)
        ]
        yield from self._write(create, delete)
        return bool(create or delete)

    def _write(self, create: list[str], delete: list[Object]) -> Iterator[Action]:
        """What goes first: where a quota allows no more pods, those that are in the wrong place must make room."""
        for pod in delete[:BURST]:
            yield Delete(pod, about=self.ds)
        for node in create[:BURST]:
            yield Create(placement.daemon_pod(self.ds, node, self.digest), about=self.ds)

    def _unwanted(self, node: str, on_node: list[Object]) -> Generator[Action, None, list[Object]]:
        """Finished pods (after a back-off, for failed ones) and all but the oldest of each template."""
        unwanted, running = [], []
        for pod in on_node:
            if meta.is_terminating(pod):
                continue
            if not pods.is_terminal(pod):
                running.append(pod)
            elif pods.phase(pod) == "Succeeded" or (yield from self._may_retry(node)):
                unwanted.append(pod)
                yield self._found(pod, node)
        if self.surges:
            superfluous = rolling.superseded(running, self.digest, self.min_ready, self.world.now)
            return [*unwanted, *superfluous]
        return [*unwanted, *running[1:]]

    def _found(self, pod: Object, node: str) -> Action:
        failed = pods.phase(pod) == "Failed"
        word, reason = ("failed", "FailedDaemonPod") if failed else ("succeeded", "SucceededDaemonPod")
        message = f"Found {word} daemon pod {meta.key_text(pod)} on node {node}, will try to "
        message += "kill it" if failed else "delete it"
        return Emit(self.ds, "Warning" if failed else "Normal", reason, message)

    def _may_retry(self, node: str) -> Generator[Action, None, bool]:
        """1 s, 2 s, 4 s ... between two failures on one node; a quiet time twice as long as the longest starts over."""
        fact = ("failed-daemon", meta.uid(self.ds), node)
        attempts, since = self.world.recall(fact) or (0, None)
        if since is not None:
            due = since + timedelta(seconds=min(2.0 ** min(attempts - 1, 30), LONGEST_BACKOFF))
            if self.world.steady < due:
                yield RequeueAfter((due - self.world.steady).total_seconds())
                return False
            if self.world.steady > since + timedelta(seconds=2 * LONGEST_BACKOFF):
                attempts = 0
        self.world.remember(fact, attempts + 1)
        return True

    # --- rolling and reporting

    def _roll(self) -> Iterator[Action]:
        placed = {node: self.placed.get(node, []) for node in self.desired}
        step = rolling.next_step(self.ds, placed, self.digest, len(self.desired), self.world.now)
        yield from self._write(step.create_on, step.delete)

    def observed(self) -> Object:
        desired = set(self.desired)
        first = {node: on_node[0] for node, on_node in self.placed.items() if node in desired}
        available = sum(pods.is_available(pod, self.min_ready, self.world.now) for pod in first.values())
        misplaced = sum(node in self.verdicts and node not in desired for node in self.placed)
        digest = self.digest
        optional = {
            "observedGeneration": self.ds["metadata"].get("generation", 0),
            "updatedNumberScheduled": sum(
                bool(digest) and rolling.is_updated(pod, digest) for pod in first.values()
            ),
            "numberAvailable": available,
            "numberUnavailable": len(desired) - available,
            "collisionCount": self.collisions,
        }
        status: Object = {
            "currentNumberScheduled": len(first),
            "numberMisscheduled": misplaced,
            "desiredNumberScheduled": len(desired),
            "numberReady": sum(map(pods.is_ready, first.values())),
            **{name: number for name, number in optional.items() if number},
        }
        if self.status.get("conditions"):
            status["conditions"] = self.status["conditions"]
        return status

    def _recheck_availability(self) -> Iterator[Action]:
        waits = [
            wait for pod in self.owned if (wait := pods.available_in(pod, self.min_ready, self.world.now))
        ]
        if waits:
            yield RequeueAfter(min(waits) + 0.1)
