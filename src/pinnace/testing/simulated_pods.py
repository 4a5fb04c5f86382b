"""What a test says to the pods of simulated nodes."""

from dataclasses import replace

from pinnace.api import meta, selector_text
from pinnace.api.meta import Object
from pinnace.api.resources import PODS
from pinnace.kubelet.simulated import SimulatedNodes
from pinnace.kubelet.simulated.behaviour import RUNS_ON, Behaviour, Rule, Run


class SimulatedPods:
    """`which` is a pod's name, its object, or a label selector such as `app=web`; it must match a pod that there is.

    What is told takes effect when time or events move on (`cluster.until`, `cluster.settle`).
    """

    def __init__(self, nodes: SimulatedNodes) -> None:
        self._nodes = nodes
        self._told: dict[str, Behaviour] = {}  # by uid
        nodes.behave(lambda pod: self._told.get(meta.uid(pod)))

    def behave(self, rule: Rule) -> None:
        """`rule(pod)` gives a Behaviour, or None; the last rule counts, what single pods are told counts more."""
        self._nodes.behave(lambda pod: self._told.get(meta.uid(pod)) or rule(pod))

    def tell(self, which: str | Object, behaviour: Behaviour, namespace: str = "default") -> None:
        """These pods behave so from now on."""
        for pod in self.find(which, namespace):
            self._told[meta.uid(pod)] = behaviour
        self._nodes.look_again()

    def find(self, which: str | Object, namespace: str = "default") -> list[Object]:
        return find(self._nodes, which, namespace)

    def complete(self, which: str | Object, namespace: str = "default", *, container: str = "") -> None:
        """The containers that run now exit with 0."""
        self.exit(which, 0, namespace, container=container)

    def fail(
        self, which: str | Object, namespace: str = "default", *, exit_code: int = 1, container: str = "", message: str = ""
    ) -> None:  # fmt: skip
        """The containers that run now exit with this code; those that restart run on."""
        self.exit(which, exit_code, namespace, container=container, message=message)

    def exit(
        self, which: str | Object, code: int, namespace: str = "default", *, container: str = "", message: str = ""
    ) -> None:  # fmt: skip
        for pod in self.find(which, namespace):
            told = self._current(pod)
            runs = dict(told.containers)
            names = [container] if container else [one["name"] for one in pod["spec"]["containers"]]
            for name in names:
                count = _restarts(pod, name)
                last = told.runs_of(name, is_init=False)
                before = tuple(last[min(n, len(last) - 1)] for n in range(count))
                after = last[min(count + 1, len(last) - 1)]
                after = replace(after, seconds=None) if after.seconds == 0 else after
                runs[name] = (*before, Run(0.0, code, message=message), after)
            self._told[meta.uid(pod)] = replace(told, containers=runs)
        self._nodes.look_again()

    def ready(self, which: str | Object, namespace: str = "default") -> None:
        self._set_ready(which, namespace, 0.0)

    def not_ready(self, which: str | Object, namespace: str = "default") -> None:
        """As if the readiness probe failed from now on."""
        self._set_ready(which, namespace, None)

    def evict(
        self, which: str | Object, namespace: str = "default", *, message: str = "The node was low on resource: memory."
    ) -> None:  # fmt: skip
        """The kubelet itself evicts the pod: Failed, with the reason Evicted."""
        for pod in self.find(which, namespace):
            self._told[meta.uid(pod)] = replace(self._current(pod), evicted=message)
        self._nodes.look_again()

    def _current(self, pod: Object) -> Behaviour:
        return self._nodes.behaviour_of(pod) or RUNS_ON

    def _set_ready(self, which: str | Object, namespace: str, after: float | None) -> None:
        for pod in self.find(which, namespace):
            told = self._current(pod)
            containers = {
                name: tuple(replace(run, ready_after=after) for run in runs)
                for name, runs in told.containers.items()
            }
            runs = tuple(replace(run, ready_after=after) for run in told.runs)
            self._told[meta.uid(pod)] = replace(told, runs=runs, containers=containers)
        self._nodes.look_again()


def find(nodes: SimulatedNodes, which: str | Object, namespace: str) -> list[Object]:
    lister = nodes.informers.of(PODS).lister
    if not isinstance(which, str):
        found = [lister.get(meta.name(which), meta.namespace(which))]
    elif (named := lister.get(which, namespace)) is not None:
        found = [named]
    elif any(mark in which for mark in "=!, "):
        found = list(lister.select(namespace, selector_text.parse(which)))
    else:
        found = []
    there = [pod for pod in found if pod is not None]
    if not there:
        known = [meta.name(pod) for pod in lister.select(namespace)]
        raise AssertionError(f"no pod {which!r} in namespace {namespace}; there are {known}")
    return there


def _restarts(pod: Object, container: str) -> int:
    entries = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((one["restartCount"] for one in entries if one["name"] == container), 0)
