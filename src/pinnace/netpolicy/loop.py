"""Enforcement on this node: watches policies, and while there are any also namespaces and pods; keeps the kernel's table equal.

Without policies there is one idle watch and no table. Changes that arrive together are one transaction. After a failed one,
or when somebody else touched the table, all of it is written anew, also as one. The table stays when this process ends, so
that policies hold meanwhile.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from pinnace.api import meta
from pinnace.api.resources import NAMESPACES, NETWORK_POLICIES, PODS
from pinnace.apimachinery.selectors import SelectorError
from pinnace.client.informer import Informer
from pinnace.client.interface import Client, Object
from pinnace.component.clock import Clock
from pinnace.component.nft_events import TableEvents
from pinnace.component.nftables import Nft, NftError
from pinnace.netpolicy import model, rendering
from pinnace.netpolicy.enforcement import Enforcement

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.01  # events that belong together come in a burst
RETRY_SECONDS = 1.0
ADMISSION_SECONDS = 10.0
SOURCE = "kubernetes.io/config.source"


@dataclass(frozen=True, slots=True)
class NetworkPolicyConfig:
    node_name: str
    table: str = "pinnace_policies"


class NetworkPolicies:
    def __init__(self, client: Client, clock: Clock, config: NetworkPolicyConfig) -> None:
        self._client, self._clock, self._config = client, clock, config
        self._nft, self._table = Nft(clock), f"inet {config.table}"
        self._policies = Informer(client, clock, NETWORK_POLICIES)
        self._policies.add_handler(self._on_policy)
        self._known = asyncio.Event()  # whether there are policies
        self._enforcement = Enforcement()
        self._assumed: dict[
            str, tuple[str, ...]
        ] = {}  # uid -> addresses of new sandboxes, until the status has them
        self._events = TableEvents([self._table], self._on_foreign_change)
        self._is_whole = False  # the kernel has our table
        self._wake = asyncio.Event()
        self._version, self._applied = 0, -1
        self._progress = asyncio.Condition()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._policies.run())
            await self._policies.wait_synced()
            await self._remove()  # of an earlier process
            while True:
                if self._has_policies:
                    await self._enforce()
                self._known.set()
                await self._wait()

    @property
    def _has_policies(self) -> bool:
        return len(self._policies.lister) > 0

    async def remove(self) -> None:
        """Take the table out of the kernel."""
        await self._nft.delete(self._table)

    async def _remove(self) -> None:
        if self._has_policies:
            return  # it goes with the transaction that writes the new one: policies hold all the time
        try:
            await self._nft.delete(self._table)
        except (NftError, OSError, TimeoutError) as error:
            log.warning("an earlier table of network policies could not be removed: %s", error)

    async def _wait(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    def _changed(self) -> None:
        self._version += 1
        self._wake.set()

    # -- while there are policies --

    async def _enforce(self) -> None:
        """Return when the last policy is gone, and the table with it."""
        namespaces, pods = (Informer(self._client, self._clock, gvr) for gvr in (NAMESPACES, PODS))
        self._enforcement, self._is_whole = Enforcement(), False
        for policy in self._policies.lister:
            self._tell(policy)
        namespaces.add_handler(self._on_namespace)
        pods.add_handler(self._on_pod)
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(informer.run()) for informer in (namespaces, pods)]
            await namespaces.wait_synced()
            await pods.wait_synced()
            with self._events.listening():
                while self._has_policies:
                    await self._sync()
                    self._known.set()
                    if not self._enforcement.table.has_changes and self._is_whole:
                        await self._wait()
                        await self._clock.sleep(GATHER_SECONDS)
            for task in following:
                task.cancel()
        self._enforcement = Enforcement()
        self._assumed.clear()
        await self._remove()
        await self._report(self._version)

    async def _sync(self) -> None:
        """Bring the kernel up to date with everything that changed."""
        version, table = self._version, self._enforcement.table
        if self._is_whole:
            text = rendering.transaction(self._table, table.take_changes())
        else:
            text = rendering.base_table(self._table)
            text += rendering.transaction(self._table, table.everything())
        self._is_whole = True  # unless somebody says otherwise meanwhile
        try:
            if text:
                with self._events.own_transaction():
                    await self._nft.apply(text)
        except (NftError, OSError, TimeoutError) as error:
            log.error("network policies could not be applied, the table is built anew: %s", error)
            self._is_whole = False
            await self._clock.sleep(RETRY_SECONDS)
            return
        await self._report(version)

    async def _report(self, version: int) -> None:
        async with self._progress:
            self._applied = version
            self._progress.notify_all()

    def _on_foreign_change(self) -> None:
        log.warning("somebody else changed the table %s: it is written anew", self._table)
        self._is_whole = False
        self._changed()

    # -- what the API says --

    def _on_policy(self, old: Object | None, new: Object | None) -> None:
        self._tell(new or old or {}, is_gone=new is None)
        self._changed()

    def _tell(self, obj: Object, *, is_gone: bool = False) -> None:
        try:
            policy = None if is_gone else model.policy(obj)
        except SelectorError as error:
            log.error("network policy %s/%s is not understood and closes nothing: %s", *meta.key(obj), error)
            policy = None
        self._enforcement.set_policy(meta.key(obj), policy)

    def _on_namespace(self, old: Object | None, new: Object | None) -> None:
        self._enforcement.set_namespace(
            meta.name(new or old or {}), meta.labels(new) if new is not None else None
        )
        self._wake_for_changes()

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        uid = meta.uid(new or old or {})
        if uid in self._assumed and (new is None or set(model.status_ips(new)) == set(self._assumed[uid])):
            del self._assumed[uid]
        found = (
            model.pod(new, self._config.node_name, self._assumed.get(uid, ())) if new is not None else None
        )
        if self._enforcement.set_pod(meta.key(new or old or {}), found):
            self._wake_for_changes()

    def _wake_for_changes(self) -> None:
        if self._enforcement.table.has_changes:
            self._changed()

    # -- new pods of this node --

    async def admit(self, pod: Object, ips: Iterable[str]) -> None:
        """Return when the kernel judges the packets of this new pod by its policies; before that no container may start.

        Raises TimeoutError when that cannot be said. A pod from a file does not wait for an API server.
        """
        if pod["spec"].get("hostNetwork"):
            return
        if not self._known.is_set():
            if meta.annotations(pod).get(SOURCE, "api") != "api":
                return
            await self._clock.wait_for(self._known.wait(), ADMISSION_SECONDS)
        if not self._has_policies:
            return
        assumed = tuple(ips)
        if set(model.status_ips(pod)) != set(assumed):
            self._assumed[meta.uid(pod)] = assumed
        found = model.pod(pod, self._config.node_name, assumed)
        if self._enforcement.set_pod(meta.key(pod), found):
            self._wake_for_changes()
        await self._clock.wait_for(self._until(self._version), ADMISSION_SECONDS)

    async def _until(self, version: int) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: self._applied >= version or not self._has_policies)
