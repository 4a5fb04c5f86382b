"""The checks of the level "baseline": nothing that is known to break out of a container."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from pinnace.api.pod_security.subject import Check, Subject, Versions, Violation, named, plural, quoted, uses

_CAPABILITIES = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
))  # fmt: skip
_PROFILES = ("RuntimeDefault", "Localhost")
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD, _SECCOMP = (
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.seccomp.security.alpha.kubernetes.io/",
)
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)  # fmt: skip
_SYSCTLS_27 = (*_SYSCTLS, "net.ipv4.ip_local_reserved_ports")
_SYSCTLS_29 = (
    *_SYSCTLS_27, "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)  # fmt: skip
_SYSCTLS_32 = (*_SYSCTLS_29, "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")


def app_armor(pod: Subject) -> Violation | None:
    values: set[str] = set()

    def is_bad(security: Mapping[str, Any]) -> bool:
        profile = security.get("appArmorProfile")
        if profile is None or profile.get("type") in _PROFILES:
            return False
        values.add(profile.get("type") or "")
        return True

    setters = pod.setters(is_bad)
    annotations = sorted(
        f'{key}="{value}"' for key, value in pod.annotations.items() if key.startswith(_APP_ARMOR) and not _is_profile(value)
    )  # fmt: skip
    if annotations:
        setters.append(plural("annotation", len(annotations)))
    if not setters:
        return None
    every = [*sorted(values), *annotations]
    shown = ", ".join(_go_quoted(value) for value in every)
    detail = f"{' and '.join(setters)} must not set AppArmor profile type to {shown}"
    return Violation(plural("forbidden AppArmor profile", len(every)), detail)


def _is_profile(value: str) -> bool:
    return value in ("", "runtime/default") or value.startswith("localhost/")


def _go_quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def capabilities(pod: Subject) -> Violation | None:
    bad, values = [], set()
    for name, _, security in pod.containers():
        added = set((security.get("capabilities") or {}).get("add") or ()) - _CAPABILITIES
        if added:
            bad.append(name)
            values |= added
    if not bad:
        return None
    detail = f"{named('container', bad)} must not include {quoted(sorted(values))} in securityContext.capabilities.add"
    return Violation("non-default capabilities", detail)


def host_namespaces(pod: Subject) -> Violation | None:
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_path_volumes(pod: Subject) -> Violation | None:
    bad = [
        volume.get("name", "")
        for volume in pod.spec.get("volumes") or ()
        if volume.get("hostPath") is not None
    ]
    return Violation("hostPath volumes", named("volume", bad)) if bad else None


def host_ports(pod: Subject) -> Violation | None:
    bad, ports = [], set()
    for name, container, _ in pod.containers():
        taken = {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        if taken:
            bad.append(name)
            ports |= taken
    if not bad:
        return None
    detail = f"{named('container', bad)} {uses(len(bad))} {plural('hostPort', len(ports))} {', '.join(sorted(ports))}"
    return Violation("hostPort", detail)


def host_probes(pod: Subject) -> Violation | None:
    bad, hosts = set(), set()
    for name, container, _ in pod.containers():
        hooks = container.get("lifecycle") or {}
        handlers = [container.get(probe) for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [hooks.get("postStart"), hooks.get("preStop")]
        actions = [handler.get(kind) for handler in handlers if handler for kind in ("httpGet", "tcpSocket")]
        named_hosts = {str(action["host"]) for action in actions if action and action.get("host")}
        if named_hosts:
            bad.add(name)
            hosts |= named_hosts
    if not bad:
        return None
    hosts_text = f"{plural('probe or lifecycle host', len(hosts))} {quoted(sorted(hosts))}"
    return Violation(
        "probe or lifecycle host", f"{named('container', sorted(bad))} {uses(len(bad))} {hosts_text}"
    )


def privileged(pod: Subject) -> Violation | None:
    bad = [name for name, _, security in pod.containers() if security.get("privileged")]
    detail = f"{named('container', bad)} must not set securityContext.privileged=true"
    return Violation("privileged", detail) if bad else None


def proc_mount(pod: Subject) -> Violation | None:
    bad, values = [], set()
    for name, _, security in pod.containers():
        mount = security.get("procMount")
        if mount is not None and mount != "Default":
            bad.append(name)
            values.add(mount)
    if not bad:
        return None
    detail = f"{named('container', bad)} must not set securityContext.procMount to {quoted(sorted(values))}"
    return Violation("procMount", detail)


def proc_mount_35(pod: Subject) -> Violation | None:
    return None if pod.has_own_users else proc_mount(pod)


def se_linux(types: Iterable[str], pod: Subject) -> Violation | None:
    bad_types: set[str] = set()
    said: set[str] = set()

    def is_bad(security: Mapping[str, Any]) -> bool:
        options = security.get("seLinuxOptions")
        if options is None:
            return False
        if wrong := (options.get("type") or "") not in types:
            bad_types.add(options["type"])
        named_fields = {field for field in ("user", "role") if options.get(field)}
        said.update(named_fields)
        return wrong or bool(named_fields)

    setters = pod.setters(is_bad)
    if not setters:
        return None
    data = [f"{plural('type', len(bad_types))} {quoted(sorted(bad_types))}"] if bad_types else []
    data += [f"{field} may not be set" for field in ("user", "role") if field in said]
    detail = f"{' and '.join(setters)} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"
    return Violation("seLinuxOptions", detail)


def seccomp_annotations(pod: Subject) -> Violation | None:
    keys = [_SECCOMP_POD, *(_SECCOMP + name for name, _, _ in pod.containers())]
    bad = sorted({
        f'{key}="{pod.annotations[key]}"' for key in keys if key in pod.annotations and not _is_seccomp(pod.annotations[key])
    })  # fmt: skip
    return (
        Violation("seccompProfile", f"forbidden {plural('annotation', len(bad))} {', '.join(bad)}")
        if bad
        else None
    )


def _is_seccomp(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def seccomp(pod: Subject) -> Violation | None:
    values: set[str] = set()

    def is_bad(security: Mapping[str, Any]) -> bool:
        profile = security.get("seccompProfile")
        if profile is None or profile.get("type") in _PROFILES:
            return False
        values.add(profile.get("type") or "")
        return True

    setters = pod.setters(is_bad)
    if not setters:
        return None
    detail = f"{' and '.join(setters)} must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
    return Violation("seccompProfile", detail)


def sysctls(safe: Iterable[str], pod: Subject) -> Violation | None:
    bad = [one.get("name", "") for one in pod.security.get("sysctls") or () if one.get("name") not in safe]
    return Violation("forbidden sysctls", ", ".join(bad)) if bad else None


def host_process(pod: Subject) -> Violation | None:
    setters = pod.setters(lambda security: bool((security.get("windowsOptions") or {}).get("hostProcess")))
    detail = f"{' and '.join(setters)} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", detail) if setters else None


def _since_0(check: Check) -> Versions:
    return ((0, check),)


CHECKS: dict[str, Versions] = {
    "appArmorProfile": _since_0(app_armor),
    "capabilities_baseline": _since_0(capabilities),
    "hostNamespaces": _since_0(host_namespaces),
    "hostPathVolumes": _since_0(host_path_volumes),
    "hostPorts": _since_0(host_ports),
    "hostProbesAndHostLifecycle": ((34, host_probes),),
    "privileged": _since_0(privileged),
    "procMount": ((0, proc_mount), (35, proc_mount_35)),
    "seLinuxOptions": (
        (0, partial(se_linux, _SELINUX_TYPES)),
        (31, partial(se_linux, (*_SELINUX_TYPES, "container_engine_t"))),
    ),
    "seccompProfile_baseline": ((0, seccomp_annotations), (19, seccomp)),
    "sysctls": (
        (0, partial(sysctls, _SYSCTLS)),
        (27, partial(sysctls, _SYSCTLS_27)),
        (29, partial(sysctls, _SYSCTLS_29)),
        (32, partial(sysctls, _SYSCTLS_32)),
    ),
    "windowsHostProcess": _since_0(host_process),
}
