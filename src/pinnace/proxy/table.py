"""What one table in the kernel holds, and the commands that bring it up to date. Pure: somebody else applies them."""

import dataclasses
from collections.abc import Iterable

from pinnace.proxy import rules
from pinnace.proxy.claims import Claims
from pinnace.proxy.families import Family
from pinnace.proxy.model import HostPort, ServicePort
from pinnace.proxy.rules import NOTHING, Rules

Key = tuple[str, str, str]  # ("service" or "pod", namespace, name)
Ports = tuple[ServicePort, ...] | tuple[HostPort, ...]


class Table:
    """`is_known` says that the kernel holds what was recorded; otherwise the next commands build all of it anew."""

    def __init__(self, name: str, family: Family, pod_cidr: str) -> None:
        self.name, self.family, self._pod_cidr = name, family, pod_cidr
        self.is_known = False
        self._applied: dict[Key, Rules] = {}
        self._ports: dict[Key, Ports] = {}
        self._claims: Claims[Key] = Claims()

    @property
    def words(self) -> str:
        """Family and name, as nft wants them."""
        return f"{self.family.word} {self.name}"

    def rules_of_services(self, ports: Iterable[ServicePort]) -> Rules:
        return rules.of_ports(ports, self._pod_cidr, self.family)

    def commands(self, new: dict[Key, Rules]) -> str:
        """Put these rules in the place of the old ones of the same keys; "" when nothing differs."""
        wanted = {key: made.elements for key, made in new.items()}
        touched = self._claims.touched(wanted)
        before = self._claims.verdicts(touched)
        self._claims.replace(wanted)
        if not self.is_known:
            base = rules.base_table(self.name, self._pod_cidr, self.family)
            return base + rules.transaction(self.words, NOTHING, self._everything(new))
        old = rules.merged(self._applied.get(key, NOTHING) for key in new)
        return rules.transaction(
            self.words,
            dataclasses.replace(old, elements=before),
            dataclasses.replace(rules.merged(new.values()), elements=self._claims.verdicts(touched)),
        )

    def _everything(self, new: dict[Key, Rules]) -> Rules:
        rest = (made for key, made in self._applied.items() if key not in new)
        return dataclasses.replace(rules.merged([*rest, *new.values()]), elements=self._claims.verdicts())

    def sticky_sets(self, new: dict[Key, Rules]) -> set[str]:
        """The sets of clients that a table built anew has."""
        return set() if self.is_known else set(self._everything(new).sets)

    def ports(self, key: Key) -> Ports:
        """What the rules of this key were made of."""
        return self._ports.get(key, ())

    def record(self, ports: dict[Key, Ports], new: dict[Key, Rules]) -> None:
        """The kernel has taken the commands for `new`."""
        self.is_known = True
        for key, made in new.items():
            if made == NOTHING:
                self._applied.pop(key, None)
                self._ports.pop(key, None)
            else:
                self._applied[key] = made
                self._ports[key] = ports[key]
