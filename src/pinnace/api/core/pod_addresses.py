"""The addresses in a pod's status: nodes write them, and others make endpoints, names and rules for the kernel of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause

Status = Mapping[str, Any]


def validate_addresses(new: Status, old: Status) -> Iterator[Cause]:
    """What was there already may stay as it is."""
    for many, single in (("podIPs", "podIP"), ("hostIPs", "hostIP")):
        if (new.get(many), new.get(single)) != (old.get(many), old.get(single)):
            yield from _validate(new, old, many, single)


def _validate(new: Status, old: Status, many: str, single: str) -> Iterator[Cause]:
    kept, found = set(_texts(old, many, single)), _texts(new, many, single)
    wrong = False
    for index, text in enumerate(found):
        if text not in kept and (why := names.ip_address(text)):
            wrong = True
            yield from fields.all_invalid(f"status.{many}[{index}]", text, why)
    families = [":" in text for text in found]
    if not wrong and len(families) != len(set(families)):
        yield fields.invalid(
            f"status.{many}", new.get(many), "may specify no more than one IP for each IP family"
        )


def _texts(status: Status, many: str, single: str) -> list[str]:
    """As upstream reads both fields: the single one is the first of many, or all there is."""
    listed = [(entry or {}).get("ip") or "" for entry in status.get(many) or ()]
    first = status.get(single)
    return [first, *listed[1:]] if first else listed
