"""PriorityLevelConfigurations: how many requests run at once, and what happens to the rest."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.flowcontrol import defaults
from pinnace.api.flowcontrol.statuses import validate_conditions
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

TYPES, RESPONSES = ("Exempt", "Limited"), ("Queue", "Reject")
DEFAULT_SHARES = 30
DEFAULT_QUEUING = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
MAX_QUEUES, MAX_HASH_BITS = 10_000_000, 60


class PriorityLevelStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        if (limited := spec.get("limited")) is not None:
            limited.setdefault("nominalConcurrencyShares", DEFAULT_SHARES)
            limited.setdefault("lendablePercent", 0)
            queuing = limited.setdefault("limitResponse", {}).get("queuing")
            if queuing is not None:
                for field, value in DEFAULT_QUEUING.items():
                    queuing[field] = queuing.get(field) or value
        if (exempt := spec.get("exempt")) is not None:
            exempt.setdefault("nominalConcurrencyShares", 0)
            exempt.setdefault("lendablePercent", 0)

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate(new))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(validate_conditions(new))


def _validate(obj: Object) -> Iterator[Cause]:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    kind, limited, exempt = spec.get("type") or "", spec.get("limited"), spec.get("exempt")
    if (name == defaults.EXEMPT) != (kind == "Exempt"):
        yield fields.invalid("spec.type", kind, "type must be 'Exempt' if and only if name is 'exempt'")
    if kind == "Exempt":
        if limited is not None:
            yield fields.forbidden("spec.limited", "must be nil if the type is not Limited")
        if exempt is not None:
            yield from _validate_shares(exempt, "spec.exempt")
    elif kind == "Limited":
        if limited is None:
            yield fields.required("spec.limited", "must not be empty when type is Limited")
        else:
            yield from _validate_limited(limited)
        if exempt is not None:
            yield fields.forbidden("spec.exempt", "must be nil if the type is Limited")
    else:
        yield fields.not_supported("spec.type", kind, TYPES)
    yield from _validate_mandatory(spec, name)


def _validate_mandatory(spec: Mapping[str, Any], name: str) -> Iterator[Cause]:
    if name == defaults.EXEMPT:  # its shares are the administrator's to set
        fixed = {"type": "Exempt"}
        if {key: value for key, value in spec.items() if key != "exempt"} != fixed:
            why = "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value"
            yield fields.invalid("spec", spec, why)
    elif name in defaults.MANDATORY and spec != defaults.level_spec(name):
        yield fields.invalid("spec", spec, f"spec of '{name}' must equal the fixed value")


def _validate_shares(own: Mapping[str, Any], path: str) -> Iterator[Cause]:
    shares, lendable = own.get("nominalConcurrencyShares"), own.get("lendablePercent")
    if shares is not None and shares < 0:
        yield fields.invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")
    if lendable is not None and not 0 <= lendable <= 100:
        yield fields.invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive")


def _validate_limited(limited: Mapping[str, Any]) -> Iterator[Cause]:
    path = "spec.limited"
    yield from _validate_shares(limited, path)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        why = "if specified, must be a non-negative integer"
        yield fields.invalid(f"{path}.borrowingLimitPercent", borrowing, why)
    response, path = limited.get("limitResponse") or {}, f"{path}.limitResponse"
    kind, queuing = response.get("type") or "", response.get("queuing")
    if kind not in RESPONSES:
        yield fields.not_supported(f"{path}.type", kind, RESPONSES)
    elif kind == "Reject" and queuing is not None:
        why = "must be nil if limited.limitResponse.type is not Limited"
        yield fields.forbidden(f"{path}.queuing", why)
    elif queuing is None and kind == "Queue":
        why = "must not be empty if limited.limitResponse.type is Limited"
        yield fields.required(f"{path}.queuing", why)
    elif queuing is not None:
        yield from _validate_queuing(queuing, f"{path}.queuing")


def _validate_queuing(queuing: Mapping[str, Any], path: str) -> Iterator[Cause]:
    limit, queues, hand = (queuing.get(field) or 0 for field in ("queueLengthLimit", "queues", "handSize"))
    if limit <= 0:
        yield fields.invalid(f"{path}.queueLengthLimit", limit, "must be positive")
    if queues <= 0:
        yield fields.invalid(f"{path}.queues", queues, "must be positive")
    elif queues > MAX_QUEUES:
        yield fields.invalid(f"{path}.queues", queues, f"must not be greater than {MAX_QUEUES}")
    if hand <= 0:
        yield fields.invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield fields.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif required_bits(queues, hand) > MAX_HASH_BITS:
        why = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MAX_HASH_BITS}"
        yield fields.invalid(f"{path}.handSize", hand, why)


def required_bits(deck: int, hand: int) -> int:
    """Bits of a hash that are needed to deal a hand of different cards from a deck."""
    return (
        math.ceil(sum(math.log2(deck - dealt) for dealt in range(min(hand, MAX_HASH_BITS * 2))))
        if deck > 1
        else 0
    )
