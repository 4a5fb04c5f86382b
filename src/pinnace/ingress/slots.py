"""Which endpoint is which server of a backend: an endpoint keeps its place while others come and go, and spare places let
HAProxy take in new ones while it runs."""

from collections.abc import Mapping, Sequence

LEAST = 2  # a roll-out of one pod needs two


def assign(
    known: Mapping[str, tuple[str, ...]], wanted: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """The servers of each wanted backend by number, "" for a spare one; as many as before while they suffice."""
    return {name: _place(known.get(name, ()), addresses) for name, addresses in wanted.items()}


def _place(known: tuple[str, ...], addresses: Sequence[str]) -> tuple[str, ...]:
    size = len(known) or LEAST
    while size < len(addresses):
        size *= 2
    kept = [address if address in addresses else "" for address in known]
    places = kept + [""] * (size - len(kept))
    coming = iter([address for address in addresses if address not in known])
    return tuple(address or next(coming, "") for address in places)
