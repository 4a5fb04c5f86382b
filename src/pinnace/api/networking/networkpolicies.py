"""NetworkPolicies: which traffic pods accept and send."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, label_selectors, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

TYPES = ("Ingress", "Egress")
PROTOCOLS = ("TCP", "UDP", "SCTP")


class NetworkPolicyStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("podSelector", {})
        for _, rule, _ in _rules(spec):
            for port in rule.get("ports") or ():
                port["protocol"] = port.get("protocol") or "TCP"
        if not spec.get("policyTypes"):
            spec["policyTypes"] = list(TYPES) if spec.get("egress") else ["Ingress"]

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate_spec(obj["spec"]))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate_spec(new["spec"]))


def _rules(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """(path, rule, name of its peers)."""
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            yield f"spec.{direction}[{index}]", rule, peers


def _validate_spec(spec: Mapping[str, Any]) -> Iterator[Cause]:
    yield from label_selectors.validate(spec.get("podSelector"), "spec.podSelector")
    for path, rule, peers in _rules(spec):
        for index, port in enumerate(rule.get("ports") or ()):
            yield from _validate_port(port, f"{path}.ports[{index}]")
        for index, peer in enumerate(rule.get(peers) or ()):
            yield from _validate_peer(peer, f"{path}.{peers}[{index}]")
    types = spec.get("policyTypes") or ()
    if len(types) > len(TYPES):
        yield fields.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(types):
        if kind not in TYPES:
            yield fields.not_supported(f"spec.policyTypes[{index}]", kind, TYPES)


def _validate_port(port: Mapping[str, Any], path: str) -> Iterator[Cause]:
    number, end, protocol = port.get("port"), port.get("endPort"), port.get("protocol")
    if protocol is not None and protocol not in PROTOCOLS:
        yield fields.not_supported(f"{path}.protocol", protocol, PROTOCOLS)
    if isinstance(number, int):
        yield from fields.all_invalid(f"{path}.port", number, names.port_number(number))
        if end is not None:
            if end < number:
                yield fields.invalid(f"{path}.endPort", end, "must be greater than or equal to `port`")
            yield from fields.all_invalid(f"{path}.endPort", end, names.port_number(end))
    elif number is not None:
        if end is not None:
            yield fields.invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric")
        yield from fields.all_invalid(f"{path}.port", number, names.port_name(number))
    elif end is not None:
        yield fields.invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified")


def _validate_peer(peer: Mapping[str, Any], path: str) -> Iterator[Cause]:
    given = [
        field for field in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(field) is not None
    ]
    for field in given:
        if field == "ipBlock":
            yield from _validate_block(peer["ipBlock"], f"{path}.ipBlock")
        else:
            yield from label_selectors.validate(peer[field], f"{path}.{field}")
    if not given:
        yield fields.required(path, "must specify a peer")
    elif len(given) > 1 and "ipBlock" in given:
        yield fields.forbidden(path, "may not specify both ipBlock and another peer")


def _validate_block(block: Mapping[str, Any], path: str) -> Iterator[Cause]:
    text = block.get("cidr") or ""
    if not text:
        yield fields.required(f"{path}.cidr")
        return
    wrong = names.cidr(text)
    yield from fields.all_invalid(f"{path}.cidr", text, wrong)
    if wrong:
        return
    whole = ipaddress.ip_network(text, strict=False)
    for index, part in enumerate(block.get("except") or ()):
        here, wrong = f"{path}.except[{index}]", names.cidr(part)
        yield from fields.all_invalid(here, part, wrong)
        if not wrong and not _is_strictly_within(ipaddress.ip_network(part, strict=False), whole):
            yield fields.invalid(here, part, "must be a strict subset of `cidr`")


def _is_strictly_within(part: Any, whole: Any) -> bool:
    return part.version == whole.version and part != whole and part.subnet_of(whole)
