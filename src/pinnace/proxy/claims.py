"""Who has an address: Services (and pods with host ports) may ask for the same address and port, but a map holds one verdict.

A cluster address beats an external one, so that nobody takes the API server's address with `externalIPs`; of two equals
the one that came first keeps it until it lets go. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
Element = tuple[str, str]  # (map, key)
OWN_ADDRESS = "goto service-"  # how the verdict of a cluster address begins


class Claims(Generic[K]):
    def __init__(self) -> None:
        self._of: dict[K, Mapping[Element, str]] = {}
        self._on: dict[Element, dict[K, str]] = {}

    def touched(self, changed: Mapping[K, Mapping[Element, str]]) -> set[Element]:
        """Every element that the claimants have now or will have."""
        return {element for key, wanted in changed.items() for element in (*self._of.get(key, {}), *wanted)}

    def replace(self, changed: Mapping[K, Mapping[Element, str]]) -> None:
        """From now on each of these claimants wants exactly this. A claim that stays keeps its place."""
        for key, wanted in changed.items():
            for element in self._of.pop(key, {}):
                if element not in wanted:
                    del self._on[element][key]
                    if not self._on[element]:
                        del self._on[element]
            for element, verdict in wanted.items():
                self._on.setdefault(element, {})[key] = verdict
            if wanted:
                self._of[key] = wanted

    def verdicts(self, elements: Iterable[Element] | None = None) -> dict[Element, str]:
        """What the maps hold of these elements, of all without an argument."""
        asked = self._on if elements is None else elements
        return {element: _first(self._on[element].values()) for element in asked if element in self._on}


def _first(verdicts: Iterable[str]) -> str:
    return min(verdicts, key=lambda verdict: not verdict.startswith(OWN_ADDRESS))  # the first of equals
