"""IP families of services: from policy, families and addresses that a user gave, to those that the service has. Pure.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/service/storage/alloc.go
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from pinnace.api import fields
from pinnace.api.core import services
from pinnace.apimachinery.errors import Cause

Object = dict[str, Any]
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"


def family_of(address: str) -> str:
    """Raises ValueError for text that is no address."""
    return f"IPv{ipaddress.ip_address(address).version}"


def other(family: str) -> str:
    return "IPv4" if family == "IPv6" else "IPv6"


def settle(new: Object, old: Object | None, configured: Sequence[str]) -> list[Cause]:
    """Fill in `ipFamilyPolicy` and `ipFamilies`; what cannot be is found."""
    spec = new["spec"]
    if old is not None:
        _shrink(spec, old["spec"])
    if services.is_headless(new) and not services.selector(new):
        _settle_free(spec, configured)
        return []
    given = [ip for ip in spec.get("clusterIPs") or () if ip and ip != services.HEADLESS]
    families = list(spec.get("ipFamilies") or ())
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = REQUIRE if max(len(given), len(families)) > 1 else SINGLE
    if found := list(_judge(spec, given, families, configured)):
        return found
    for address in given[len(families) :]:
        families.append(family_of(address))
    families = families or [configured[0]]
    if spec["ipFamilyPolicy"] != SINGLE and len(families) == 1 and other(families[0]) in configured:
        families.append(other(families[0]))
    spec["ipFamilies"] = families
    return []


def _settle_free(spec: Object, configured: Sequence[str]) -> None:
    """Headless without a selector: nobody but the user knows which families its endpoints have."""
    spec["ipFamilyPolicy"] = spec.get("ipFamilyPolicy") or REQUIRE
    families = list(spec.get("ipFamilies") or (configured[0],))
    if spec["ipFamilyPolicy"] != SINGLE and len(families) == 1:
        families.append(other(families[0]))
    spec["ipFamilies"] = families


def _shrink(after: Object, before: Object) -> None:
    """From dual to single stack: what was not changed on the way loses its second entry."""
    if after.get("ipFamilyPolicy") != SINGLE:
        return
    for field in ("ipFamilies", "clusterIPs"):
        values = after.get(field) or []
        if len(values) == 2 and values == before.get(field):
            after[field] = values[:1]


def _judge(spec: Object, given: list[str], families: list[str], configured: Sequence[str]) -> Iterator[Cause]:
    policy = spec["ipFamilyPolicy"]
    for index, (address, family) in enumerate(zip(given, families, strict=False)):
        if family_of(address) != family:
            why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield fields.invalid(f"spec.clusterIPs[{index}]", address, why)
    if policy == SINGLE:
        why = "must be RequireDualStack or PreferDualStack when multiple `{}` are specified"
        if len(given) > 1:
            yield fields.invalid("spec.ipFamilyPolicy", policy, why.format("clusterIPs"))
        if len(families) > 1:
            yield fields.invalid("spec.ipFamilyPolicy", policy, why.format("ipFamilies"))
    elif policy == REQUIRE and len(configured) < 2:
        why = "this cluster is not configured for dual-stack services"
        yield fields.invalid("spec.ipFamilyPolicy", policy, why)
    for index, family in enumerate(families):
        if family not in configured:
            yield fields.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
