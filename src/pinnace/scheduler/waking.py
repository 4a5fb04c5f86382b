"""Which waiting pods an event is worth another try for, as the plugins that refused them judge."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from pinnace.scheduler.happenings import Happening
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.queued_pod import QueuedPod

OWN_UPDATE = Happening(("Pod/OwnUpdate",))

MayHelp = Callable[[PodInfo, Happening], bool]


@dataclass(frozen=True, slots=True)
class Hint:
    """When a refusal of a plugin is worth another try. `is_shared`: the answer is the same for all pods of a demand."""

    kinds: Collection[str]
    may_help: MayHelp | None = None
    is_shared: bool = True

    def concerns(self, happening: Happening) -> bool:
        return any(kind in self.kinds for kind in happening.kinds)

    def helps(self, pod: PodInfo, happening: Happening) -> bool:
        return self.may_help is None or self.may_help(pod, happening)


def helped(
    known: Mapping[str, Hint],
    plugins: Collection[str],
    members: Mapping[str, QueuedPod],
    happening: Happening,
) -> list[QueuedPod]:
    """Which of these pods, which the same plugins refused and which ask for the same, an event helps. `known`: hints by plugin."""
    hints = [known[plugin] for plugin in plugins if plugin in known]
    if len(hints) < len(plugins) or not plugins or happening is OWN_UPDATE:
        return list(members.values())  # an unknown plugin, or no node at all: anything may help
    hints = [hint for hint in hints if hint.concerns(happening)]
    if not hints:
        return []
    shared = [hint for hint in hints if hint.is_shared or hint.may_help is None]
    nominees = {pod.uid for pod in happening.nominees()} & members.keys()  # for them the node may be free
    other = next((entry for uid, entry in members.items() if uid not in nominees), None)
    if other is not None and any(hint.helps(other.pod, happening) for hint in shared):
        return list(members.values())
    own = [hint for hint in hints if hint not in shared]
    found = [
        entry
        for entry in map(members.__getitem__, nominees)
        if happening.was_last_victim_for(entry.pod) or any(hint.helps(entry.pod, happening) for hint in hints)
    ]
    if own:
        others = (entry for uid, entry in members.items() if uid not in nominees)
        found += [entry for entry in others if any(hint.helps(entry.pod, happening) for hint in own)]
    return found
