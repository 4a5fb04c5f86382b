"""Validation of containers of all three kinds: app, init and ephemeral."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.core.env_validation import validate_env, validate_env_from
from pinnace.api.core.local_paths import validate_local_path
from pinnace.api.core.probe_validation import validate_lifecycle, validate_probe
from pinnace.api.core.resource_validation import validate_requirements, validate_resize_policy
from pinnace.api.core.restart_validation import validate_restarts
from pinnace.api.core.security_validation import validate_container_security
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Container = Mapping[str, Any]
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NOT_FOR_EPHEMERAL = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "lifecycle",
    *PROBES,
)
_EPHEMERAL_WHY = "cannot be set for an Ephemeral Container"
_NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"


def validate_containers(spec: Mapping[str, Any], path: str) -> Found:
    """`containers` and `initContainers` of one pod, names unique over both."""
    volumes = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    host_network, host_users = bool(spec.get("hostNetwork")), spec.get("hostUsers") is not False
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or ()):
            if policies := container.get("resizePolicy"):
                here = f"{path}.{part}[{index}].resizePolicy"
                yield from validate_resize_policy(policies, spec.get("restartPolicy"), here)
    taken: set[str] = set()
    host_ports: set[str] = set()
    if not spec.get("containers"):
        yield fields.required(f"{path}.containers")
    for index, container in enumerate(spec.get("containers") or ()):
        here = f"{path}.containers[{index}]"
        yield from _validate_name(container, taken, here)
        yield from _validate_common(container, volumes, here, host_network, host_users)
        yield from _validate_unique_host_ports(container, host_ports, here)
        yield from _validate_running(container, here)
        if container.get("restartPolicy") is not None or container.get("restartPolicyRules"):
            yield from validate_restarts(container, here)
    for index, container in enumerate(spec.get("initContainers") or ()):
        here = f"{path}.initContainers[{index}]"
        yield from _validate_name(container, taken, here)
        yield from _validate_common(container, volumes, here, host_network, host_users)
        yield from _validate_init(container, here)


def validate_ephemeral_containers(spec: Mapping[str, Any], path: str) -> Found:
    volumes = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    taken = {one.get("name", "") for part in ("containers", "initContainers") for one in spec.get(part) or ()}
    regular = {one.get("name") for part in ("containers", "initContainers") for one in spec.get(part) or ()}
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        here = f"{path}.ephemeralContainers[{index}]"
        yield from _validate_name(container, taken, here)
        yield from _validate_common(container, volumes, here, False, spec.get("hostUsers") is not False)
        target = container.get("targetContainerName")
        if target and target not in regular:
            yield fields.not_found(f"{here}.targetContainerName", target)
        for field in _NOT_FOR_EPHEMERAL:
            if container.get(field):
                yield fields.forbidden(f"{here}.{field}", _EPHEMERAL_WHY)
        for place, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    yield fields.forbidden(f"{here}.volumeMounts[{place}].{field}", _EPHEMERAL_WHY)


def _validate_name(container: Container, taken: set[str], path: str) -> Found:
    name = container.get("name") or ""
    if not name:
        yield fields.required(f"{path}.name")
    elif messages := names.dns_label(name):
        yield from fields.all_invalid(f"{path}.name", name, messages)
    if name and name in taken:
        yield fields.duplicate(f"{path}.name", name)
    taken.add(name)


def _validate_common(
    container: Container, volumes: Mapping[Any, Any], path: str, host_network: bool, host_users: bool
) -> Found:
    image = container.get("image") or ""
    if not image:
        yield fields.required(f"{path}.image")
    elif image != image.strip():
        yield fields.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
    policy = container.get("terminationMessagePolicy") or ""
    if policy not in MESSAGE_POLICIES:
        yield fields.not_supported(f"{path}.terminationMessagePolicy", policy, MESSAGE_POLICIES)
    if ports := container.get("ports"):
        yield from _validate_ports(ports, f"{path}.ports", host_network)
    if env := container.get("env"):
        yield from validate_env(env, f"{path}.env")
    if env_from := container.get("envFrom"):
        yield from validate_env_from(env_from, f"{path}.envFrom")
    if mounts := container.get("volumeMounts"):
        yield from _validate_mounts(mounts, volumes, f"{path}.volumeMounts")
    pull = container.get("imagePullPolicy") or ""
    if pull not in PULL_POLICIES:
        yield fields.not_supported(f"{path}.imagePullPolicy", pull, PULL_POLICIES)
    if resources := container.get("resources"):
        yield from validate_requirements(resources, f"{path}.resources")
    if security := container.get("securityContext"):
        yield from validate_container_security(security, f"{path}.securityContext", host_users=host_users)


def _validate_running(container: Container, path: str) -> Found:
    if lifecycle := container.get("lifecycle"):
        yield from validate_lifecycle(lifecycle, f"{path}.lifecycle")
    for kind in PROBES:
        if (probe := container.get(kind)) is not None:
            yield from validate_probe(probe, kind, f"{path}.{kind}")


def _validate_init(container: Container, path: str) -> Found:
    policy = container.get("restartPolicy")
    if policy == "Always":
        yield from _validate_running(container, path)
        return
    if policy is not None:
        yield fields.not_supported(f"{path}.restartPolicy", policy, ("Always",))
    for field in ("lifecycle", *PROBES):
        if container.get(field) is not None:
            yield fields.forbidden(f"{path}.{field}", _NOT_FOR_INIT)
    if container.get("restartPolicyRules"):
        why = "may not be set for init containers"
        yield fields.forbidden(f"{path}.restartPolicyRules", why)


# -- ports ------------------------------------------------------------------------------------------------------
def _validate_ports(ports: Sequence[Mapping[str, Any]], path: str, host_network: bool) -> Found:
    taken: set[str] = set()
    for index, port in enumerate(ports):
        here, name = f"{path}[{index}]", port.get("name") or ""
        if name:
            messages = names.port_name(name)
            yield from fields.all_invalid(f"{here}.name", name, messages)
            if not messages and name in taken:
                yield fields.duplicate(f"{here}.name", name)
            taken.add(name)
        yield from _validate_port(port, here, host_network)


def _validate_port(port: Mapping[str, Any], path: str, host_network: bool) -> Found:
    number, host_port = port.get("containerPort") or 0, port.get("hostPort") or 0
    if not number:
        yield fields.required(f"{path}.containerPort")
    elif messages := names.port_number(number):
        yield from fields.all_invalid(f"{path}.containerPort", number, messages)
    if host_port:
        yield from fields.all_invalid(f"{path}.hostPort", host_port, names.port_number(host_port))
    if host_ip := port.get("hostIP"):
        yield from fields.all_invalid(f"{path}.hostIP", host_ip, names.ip_address(host_ip))
    if host_network and host_port != number:
        why = "must match `hostPort` when `hostNetwork` is true"
        yield fields.invalid(f"{path}.containerPort", number, why)
    protocol = port.get("protocol") or ""
    if not protocol:
        yield fields.required(f"{path}.protocol")
    elif protocol not in names.PROTOCOLS:
        yield fields.not_supported(f"{path}.protocol", protocol, names.PROTOCOLS)


def _validate_unique_host_ports(container: Container, taken: set[str], path: str) -> Found:
    for index, port in enumerate(container.get("ports") or ()):
        if not port.get("hostPort"):
            continue
        text = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
        if text in taken:
            yield fields.duplicate(f"{path}.ports[{index}].hostPort", text)
        taken.add(text)


# -- mounts -----------------------------------------------------------------------------------------------------
def _validate_mounts(mounts: Sequence[Mapping[str, Any]], volumes: Mapping[Any, Any], path: str) -> Found:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        here = f"{path}[{index}]"
        name, place = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield fields.required(f"{here}.name")
        elif name not in volumes:
            yield fields.not_found(f"{here}.name", name)
        if not place:
            yield fields.required(f"{here}.mountPath")
        if place in places:
            yield fields.invalid(f"{here}.mountPath", place, "must be unique")
        places.add(place)
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                yield from validate_local_path(mount[field], f"{here}.{field}")
        if mount.get("subPath") and mount.get("subPathExpr"):
            yield fields.invalid(
                f"{here}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive"
            )
