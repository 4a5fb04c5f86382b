"""Validation of the security contexts of pods and containers. Left out: Windows options, SELinux."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields
from pinnace.api.core.local_paths import validate_local_path
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
MAX_ID = 2147483647
_ID_RANGE = f"must be between 0 and {MAX_ID}, inclusive"
PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
PROC_MOUNTS = ("Default", "Unmasked")
_SYSCTL = r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([\./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"
_sysctl = re.compile(_SYSCTL).fullmatch


def _validate_id(value: int | None, path: str) -> Found:
    if value is not None and not 0 <= value <= MAX_ID:
        yield fields.invalid(path, value, _ID_RANGE)


def validate_pod_security(context: Mapping[str, Any], path: str) -> Found:
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from _validate_id(context.get(field), f"{path}.{field}")
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        yield from _validate_id(group, f"{path}.supplementalGroups[{index}]")
    policy = context.get("fsGroupChangePolicy")
    if policy is not None and policy not in ("Always", "OnRootMismatch"):
        yield fields.not_supported(f"{path}.fsGroupChangePolicy", policy, ("Always", "OnRootMismatch"))
    yield from _validate_profiles(context, path)
    yield from _validate_sysctls(context, f"{path}.sysctls")


def _validate_sysctls(context: Mapping[str, Any], path: str) -> Found:
    taken: set[str] = set()
    for index, sysctl in enumerate(context.get("sysctls") or ()):
        name, here = sysctl.get("name") or "", f"{path}[{index}].name"
        if not name:
            yield fields.required(here)
        elif len(name) > 253 or not _sysctl(name):
            why = f"must have at most 253 characters and match regex ^{_SYSCTL}$"
            yield fields.invalid(here, name, why)
        elif name in taken:
            yield fields.duplicate(here, name)
        taken.add(name)


def validate_container_security(context: Mapping[str, Any], path: str, *, host_users: bool = True) -> Found:
    for field in ("runAsUser", "runAsGroup"):
        yield from _validate_id(context.get(field), f"{path}.{field}")
    yield from _validate_profiles(context, path)
    if (mount := context.get("procMount")) is not None:
        yield from _validate_proc_mount(mount, f"{path}.procMount", host_users)
    if context.get("allowPrivilegeEscalation") is not False:
        return
    if context.get("privileged"):
        why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield fields.invalid(path, context, why)
    if "SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
        why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        yield fields.invalid(path, context, why)


def _validate_proc_mount(mount: str, path: str, host_users: bool) -> Found:
    if host_users and mount == "Unmasked":
        yield fields.invalid(path, mount, "`hostUsers` must be false to use `Unmasked`")
    if mount not in PROC_MOUNTS:
        yield fields.not_supported(path, mount, PROC_MOUNTS)


def _validate_profiles(context: Mapping[str, Any], path: str) -> Found:
    for field, name in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        if (profile := context.get(field)) is not None:
            yield from _validate_profile(profile, f"{path}.{field}", field, name)


def _validate_profile(profile: Mapping[str, Any], path: str, field: str, name: str) -> Found:
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        yield fields.required(f"{path}.type", f"type is required when {field} is set")
    elif kind not in PROFILE_TYPES:
        yield fields.not_supported(f"{path}.type", kind, PROFILE_TYPES)
    elif kind == "Localhost" and not local:
        yield fields.required(f"{path}.localhostProfile", f"must be set when {name} type is Localhost")
    elif kind != "Localhost" and local is not None:
        why = f"can only be set when {name} type is Localhost"
        yield fields.invalid(f"{path}.localhostProfile", local, why)
    elif local and field == "seccompProfile":
        yield from validate_local_path(local, f"{path}.localhostProfile")
