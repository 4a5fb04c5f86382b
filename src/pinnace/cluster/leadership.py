"""Which of several servers on one store runs controllers and scheduler: the flags of the election, and the parts under it.

A server alone on its store elects nobody: asking for a lease would cost its start a write. On etcd, which servers can share,
election is on unless `--leader-elect=false` says otherwise.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING

from pinnace.client.interface import Client
from pinnace.cluster.errors import UsageError
from pinnace.cluster.security import seconds
from pinnace.component.clock import Clock
from pinnace.component.metrics import Source
from pinnace.component.tasks import keep_running

if TYPE_CHECKING:
    from pinnace.client.leader_election import LeaderElectionConfig
    from pinnace.cluster.config import ClusterConfig

Part = Callable[[Client], Awaitable[None]]
"""Runs a controller manager or a scheduler, with this client, until cancelled."""


def is_on(config: "ClusterConfig") -> bool:
    return config.store == "etcd" if config.leader_elect is None else config.leader_elect


def election(config: "ClusterConfig", lease: str) -> "LeaderElectionConfig":
    """Raises UsageError when the times cannot work together."""
    from pinnace.client.leader_election import LeaderElectionConfig, process_identity

    try:
        return LeaderElectionConfig(
            name=lease,
            identity=process_identity(),
            lease_duration=seconds(config.leader_elect_lease_duration, 15.0),
            renew_deadline=seconds(config.leader_elect_renew_deadline, 10.0),
            retry_period=seconds(config.leader_elect_retry_period, 2.0),
        )
    except ValueError as error:
        raise UsageError(f"--leader-elect-...: {error}") from None


async def run(
    config: "ClusterConfig",
    clock: Clock,
    client: Client,
    lease: str,
    part: Part,
    metrics: MutableMapping[str, Source],
) -> None:
    """Keep `part` running until cancelled: always, or, with an election, while this server holds `lease`."""
    if not is_on(config):
        await keep_running(lease, lambda: part(client), clock)
        return
    from pinnace.client.events import EventRecorder
    from pinnace.client.leader_election import LeaderElector, LeadersClient

    elector = LeaderElector(
        client, clock, election(config, lease), recorder=EventRecorder(client, clock, lease)
    )
    metrics[f"leader election {lease}"] = elector.families
    led = LeadersClient(client, elector)

    async def work() -> None:
        await keep_running(lease, lambda: part(led), clock)

    await keep_running(f"election {lease}", lambda: elector.run(work), clock)
