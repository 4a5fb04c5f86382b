"""What runs for one profile: its plugins, its cycle, and its voice in events. All profiles share nodes, queue and nominations."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from pinnace.client.events import EventRecorder
from pinnace.client.interface import Client
from pinnace.component.clock import Clock
from pinnace.scheduler.budgets import Budgets
from pinnace.scheduler.cycle import Cycle
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.plugins.dynamic_resources import DynamicResources
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.preemption import DefaultPreemption
from pinnace.scheduler.profiles import Parts, Profile, build_profile
from pinnace.scheduler.reporting import Reporter
from pinnace.scheduler.settings import ProfileSettings

EVENTS_WAITING = 20_000  # a burst of pods is bound first and told about later


@dataclass(frozen=True, slots=True)
class Runner:
    profile: Profile
    cycle: Cycle
    recorder: EventRecorder
    reporter: Reporter

    def admits(self, pod: PodInfo) -> bool:
        """Whether the pod's scheduling gates let it be tried at all."""
        return self.profile.gates is None or self.profile.gates.admits(pod)

    @property
    def binds_volumes(self) -> bool:
        """False where the profile has the plugin turned off."""
        return self.profile.runs("VolumeBinding")

    def binds_devices(self, pod: PodInfo) -> bool:
        return pod.has_claims and self.profile.runs(DynamicResources.name)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the profiles have in common. `started`: when a pod started, for preemption; `is_busy`: events wait."""

    client: Client
    clock: Clock
    rng: random.Random
    parts: Parts
    nominator: Nominator
    budgets: Budgets
    started: Callable[[PodInfo], float]
    is_busy: Callable[[], bool]


def build_runner(settings: ProfileSettings, shared: Shared) -> Runner:
    """Raises PluginError for a profile that cannot be built."""
    profile = build_profile(settings, shared.parts)
    preemption = None
    if profile.preemption is not None:
        preemption = DefaultPreemption(
            shared.nominator, shared.budgets, shared.rng, shared.started, profile.preemption
        )
    recorder = EventRecorder(
        shared.client, shared.clock, profile.name, capacity=EVENTS_WAITING, is_busy=shared.is_busy
    )
    return Runner(
        profile,
        Cycle(profile, shared.rng, shared.nominator, preemption),
        recorder,
        Reporter(shared.client, shared.clock, recorder),
    )
