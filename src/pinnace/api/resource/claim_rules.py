"""What a ResourceClaim (or a template of one) may ask for: requests, constraints, configuration."""

from collections.abc import Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.resource import device_rules as rules
from pinnace.api.resource.device_rules import Found

MAX_REQUESTS, MAX_CONSTRAINTS, MAX_ALTERNATIVES = 32, 32, 8
MODES = ("All", "ExactCount")
NOT_A_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)
RequestNames = Mapping[str, set[str]]
Spec = Mapping[str, Any]


def set_defaults(spec: dict[str, Any]) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        for asked in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if asked is None:
                continue
            asked["allocationMode"] = asked.get("allocationMode") or "ExactCount"
            if asked["allocationMode"] == "ExactCount" and not asked.get("count"):
                asked["count"] = 1
            for toleration in asked.get("tolerations") or ():
                toleration["operator"] = toleration.get("operator") or "Equal"


def wants_admin_access(spec: Spec) -> list[str]:
    """Paths below `spec` of the requests for administrators' access."""
    requests = (spec.get("devices") or {}).get("requests") or ()
    return [
        f"devices.requests[{index}].exactly.adminAccess"
        for index, request in enumerate(requests)
        if (request.get("exactly") or {}).get("adminAccess")
    ]


def request_names(spec: Spec) -> dict[str, set[str]]:
    requests = (spec.get("devices") or {}).get("requests") or ()
    return {
        request.get("name") or "": {sub.get("name") or "" for sub in request.get("firstAvailable") or ()}
        for request in requests
    }


def validate_spec(spec: Spec, path: str) -> Found:
    devices, path = spec.get("devices") or {}, f"{path}.devices"
    known = request_names(spec)
    yield from rules.each_once(
        devices.get("requests"),
        MAX_REQUESTS,
        _request,
        f"{path}.requests",
        lambda request: request.get("name"),
    )
    yield from rules.each(
        devices.get("constraints"),
        MAX_CONSTRAINTS,
        lambda one, at: _constraint(one, at, known),
        f"{path}.constraints",
    )
    yield from rules.each(
        devices.get("config"),
        rules.MAX_CONFIGS,
        lambda one, at: configuration(one, at, known),
        f"{path}.config",
    )


def configuration(config: Spec, path: str, known: RequestNames) -> Found:
    """Parameters for a driver, for all requests or some of them."""
    yield from rules.each_once(
        config.get("requests"),
        MAX_REQUESTS,
        lambda one, at: request_reference(one, at, known),
        f"{path}.requests",
        str,
    )
    yield from rules.configuration(config, path)


def request_reference(name: str, path: str, known: RequestNames) -> Found:
    first, slash, second = name.partition("/")
    if "/" in second:
        yield fields.invalid(path, name, NOT_A_REQUEST)
        return
    for part in (first, *((second,) if slash else ())):
        yield from rules.label(part, path)
    if first not in known or (slash and second not in known[first]):
        yield fields.invalid(path, name, NOT_A_REQUEST)


def _request(request: Spec, path: str) -> Found:
    yield from rules.label(request.get("name"), f"{path}.name")
    exactly, alternatives = request.get("exactly"), request.get("firstAvailable")
    if exactly is None and not alternatives:
        yield fields.required(path, "exactly one of `exactly` or `firstAvailable` is required")
    elif exactly is not None and alternatives:
        why = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
        yield fields.invalid(path, None, why)
    elif exactly is not None:
        yield from _asked(exactly, f"{path}.exactly")
    else:
        yield from rules.each_once(
            alternatives,
            MAX_ALTERNATIVES,
            _alternative,
            f"{path}.firstAvailable",
            lambda one: one.get("name"),
        )


def _alternative(asked: Spec, path: str) -> Found:
    yield from rules.label(asked.get("name"), f"{path}.name")
    yield from _asked(asked, path)


def _asked(asked: Spec, path: str) -> Found:
    yield from rules.subdomain(asked.get("deviceClassName"), f"{path}.deviceClassName")
    yield from rules.selectors(asked.get("selectors"), f"{path}.selectors")
    mode, count = asked.get("allocationMode") or "", asked.get("count") or 0
    if mode not in MODES:
        yield fields.not_supported(f"{path}.allocationMode", mode, MODES)
    elif mode == "All" and count != 0:
        yield fields.invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count <= 0:
        yield fields.invalid(f"{path}.count", count, "must be greater than zero")
    yield from rules.tolerations(asked.get("tolerations"), f"{path}.tolerations")


def _constraint(constraint: Spec, path: str, known: RequestNames) -> Found:
    yield from rules.each_once(
        constraint.get("requests"), MAX_REQUESTS, lambda one, at: request_reference(one, at, known), f"{path}.requests", str
    )  # fmt: skip
    match, distinct = constraint.get("matchAttribute"), constraint.get("distinctAttribute")
    if match is not None:
        yield from rules.fully_qualified_name(match, f"{path}.matchAttribute")
    elif distinct is not None:
        yield from rules.fully_qualified_name(distinct, f"{path}.distinctAttribute")
    else:
        why = (
            'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
        )
        yield fields.required(path, why)
