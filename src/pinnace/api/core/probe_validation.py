"""Validation of probes and lifecycle hooks: one handler each, thresholds in range."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
_TIMES = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")


def validate_probe(probe: Mapping[str, Any], kind: str, path: str) -> Found:
    """`kind`: livenessProbe, readinessProbe or startupProbe."""
    yield from _validate_handler(probe, _PROBE_HANDLERS, path)
    for field in _TIMES:
        if probe.get(field, 0) < 0:
            yield from fields.non_negative(f"{path}.{field}", probe[field])
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        yield fields.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if kind == "readinessProbe":
        if grace is not None:
            why = "must not be set for readinessProbes"
            yield fields.invalid(f"{path}.terminationGracePeriodSeconds", grace, why)
    elif probe.get("successThreshold", 1) != 1:
        yield fields.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def validate_lifecycle(lifecycle: Mapping[str, Any], path: str) -> Found:
    for hook in ("postStart", "preStop"):
        if (handler := lifecycle.get(hook)) is not None:
            yield from _validate_handler(handler, _HOOK_HANDLERS, f"{path}.{hook}")


def _validate_handler(handler: Mapping[str, Any], kinds: tuple[str, ...], path: str) -> Found:
    chosen = [kind for kind in kinds if handler.get(kind) is not None]
    if not chosen:
        yield fields.required(path, "must specify a handler type")
    for extra in chosen[1:]:
        yield fields.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    for kind in chosen[:1]:
        yield from _HANDLERS[kind](handler[kind], f"{path}.{kind}")


def _validate_exec(action: Mapping[str, Any], path: str) -> Found:
    if not action.get("command"):
        yield fields.required(f"{path}.command")


def _validate_http(action: Mapping[str, Any], path: str) -> Found:
    if not action.get("path"):
        yield fields.required(f"{path}.path")
    yield from validate_port(action.get("port"), f"{path}.port")
    scheme = action.get("scheme", "")
    if scheme not in ("HTTP", "HTTPS"):
        yield fields.not_supported(f"{path}.scheme", scheme, ("HTTP", "HTTPS"))
    for header in action.get("httpHeaders") or ():
        name = header.get("name", "")
        yield from fields.all_invalid(f"{path}.httpHeaders", name, names.http_header_name(name))


def _validate_tcp(action: Mapping[str, Any], path: str) -> Found:
    yield from validate_port(action.get("port"), f"{path}.port")


def _validate_grpc(action: Mapping[str, Any], path: str) -> Found:
    number = action.get("port", 0)
    yield from fields.all_invalid(f"{path}.port", number, names.port_number(number))


def _validate_sleep(action: Mapping[str, Any], path: str) -> Found:
    seconds = action.get("seconds", 0)
    if seconds < 0:
        why = "must be non-negative and less than terminationGracePeriodSeconds"
        yield fields.invalid(f"{path}.seconds", seconds, why)


def validate_port(port: Any, path: str) -> Found:
    """A number, or the name of one of the container's ports."""
    if isinstance(port, str):
        yield from fields.all_invalid(path, port, names.port_name(port))
    else:
        number = port or 0
        yield from fields.all_invalid(path, number, names.port_number(number))


_HANDLERS = {
    "exec": _validate_exec,
    "httpGet": _validate_http,
    "tcpSocket": _validate_tcp,
    "grpc": _validate_grpc,
    "sleep": _validate_sleep,
}
