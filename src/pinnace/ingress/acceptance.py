"""Which Ingresses HAProxy takes: it refuses its whole configuration for one bad part, so the part is found and left out.

Whatever slips through our own checks (a regular expression that PCRE reads in another way, a certificate that OpenSSL reads in
another way) then harms nobody but whoever wrote it. Those that were good are tried first, so that a flood of bad ones does not
make the others wait.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from pinnace.api import meta

Key = tuple[str, str]  # namespace, name
Refuses = Callable[
    [frozenset[Key]], Awaitable[str]
]  # what HAProxy says against these alone; "" when it takes them
MOST_TRIALS = 64  # in one search; what is undecided then is left out until the next


class Acceptance:
    def __init__(self) -> None:
        self._good: dict[Key, Any] = {}  # what they were like when HAProxy took them
        self._refused: dict[Key, tuple[Any, str]] = {}

    def left_out(self, ingresses: Iterable[dict[str, Any]]) -> dict[Key, str]:
        """Those that are still as they were when they were refused, and why."""
        now = {meta.key(one): _version(one) for one in ingresses}
        self._refused = {
            key: found for key, found in self._refused.items() if key in now and now[key] == found[0]
        }
        return {key: why for key, (_, why) in self._refused.items()}

    def took(self, ingresses: Iterable[dict[str, Any]]) -> None:
        self._good = {meta.key(one): _version(one) for one in ingresses if meta.key(one) not in self._refused}

    def forget(self, namespace: str) -> None:
        """What an Ingress there refers to has changed: it may be taken now."""
        self._refused = {key: found for key, found in self._refused.items() if key[0] != namespace}

    async def search(self, ingresses: Iterable[dict[str, Any]], refuses: Refuses) -> None:
        """Find those that HAProxy refuses."""
        now = {meta.key(one): _version(one) for one in ingresses if meta.key(one) not in self._refused}
        known = frozenset(key for key in now if self._good.get(key) == now[key])
        if await refuses(known):  # what they refer to is another
            known = frozenset()
        trials = _Trials(refuses, known)
        await trials.halve(sorted(now.keys() - known))
        for key, why in trials.refused.items():
            self._refused[key] = now[key], why


class _Trials:
    def __init__(self, refuses: Refuses, known: frozenset[Key]) -> None:
        self._refuses, self._taken, self._left = refuses, known, MOST_TRIALS
        self.refused: dict[Key, str] = {}

    async def halve(self, suspects: Sequence[Key]) -> None:
        if not suspects:
            return
        self._left -= 1
        why = (
            await self._refuses(self._taken | frozenset(suspects))
            if self._left >= 0
            else "too many are refused"
        )
        if not why:
            self._taken |= frozenset(suspects)
        elif len(suspects) == 1 or self._left < 0:
            self.refused |= dict.fromkeys(suspects, why)
        else:
            middle = len(suspects) // 2
            await self.halve(suspects[:middle])
            await self.halve(suspects[middle:])


def _version(ingress: dict[str, Any]) -> Any:
    """Without its status, which we write ourselves."""
    return meta.uid(ingress), ingress.get("spec"), meta.annotations(ingress)
