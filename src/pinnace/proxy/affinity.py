"""Clients that stay with their endpoint (session affinity), carried over into a table that is built anew. Pure."""

from collections.abc import Container, Iterable
from typing import Any


def kept_clients(table: str, sets: Iterable[dict[str, Any]], wanted: Container[str]) -> list[str]:
    """Commands that put the clients back into these sets of the table, with the time they have left.

    `sets` are as nft shows them.
    """
    return [line for each in sets if each["name"] in wanted for line in _add_clients(table, each)]


def _add_clients(table: str, found: dict[str, Any]) -> Iterable[str]:
    for element in found.get("elem") or ():
        detail = element.get("elem") or {} if isinstance(element, dict) else {}
        if detail.get("expires", 0) > 0:
            lifetime = f"timeout {detail['timeout']}s " if "timeout" in detail else ""
            yield f"add element {table} {found['name']} {{ {detail['val']} {lifetime}expires {detail['expires']}s }}\n"
