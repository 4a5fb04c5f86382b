"""Security contexts: from pod and container to CRI's, and the check that a container does not run as root. Pure."""

from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.kubelet.cri.runtime import Image
from pinnace.kubelet.environment import ConfigError

POD, CONTAINER, NODE = 0, 1, 2  # CRI NamespaceMode
TARGET = 3
RUNTIME_DEFAULT, UNCONFINED, LOCALHOST = 0, 1, 2  # CRI ProfileType

MASKED_PATHS = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def pod_context(pod: Object) -> dict[str, Any]:
    return pod["spec"].get("securityContext") or {}


def effective(pod: Object, container: dict[str, Any], field: str) -> Any:
    """The container's own setting, else the pod's."""
    own = (container.get("securityContext") or {}).get(field)
    return pod_context(pod).get(field) if own is None else own


def namespace_options(pod: Object, target_id: str = "") -> dict[str, Any]:
    spec = pod["spec"]
    if spec.get("hostPID"):
        pid = NODE
    elif target_id:
        pid = TARGET
    else:
        pid = POD if spec.get("shareProcessNamespace") else CONTAINER
    options: dict[str, Any] = {
        "network": NODE if spec.get("hostNetwork") else POD,
        "pid": pid,
        "ipc": NODE if spec.get("hostIPC") else POD,
    }
    return {**options, "target_id": target_id} if target_id else options


def seccomp(profile: dict[str, Any] | None, root: str) -> dict[str, Any]:
    """`root` is the directory of this node's own profiles."""
    kind = (profile or {}).get("type", "Unconfined")
    if kind == "RuntimeDefault":
        return {"profile_type": RUNTIME_DEFAULT}
    if kind == "Localhost":
        name = (profile or {}).get("localhostProfile", "")
        return {"profile_type": LOCALHOST, "localhost_ref": f"{root}/{name}"}
    return {"profile_type": UNCONFINED}


def apparmor(profile: dict[str, Any]) -> dict[str, Any]:
    kinds = {"RuntimeDefault": RUNTIME_DEFAULT, "Unconfined": UNCONFINED, "Localhost": LOCALHOST}
    result: dict[str, Any] = {"profile_type": kinds[profile["type"]]}
    return (
        {**result, "localhost_ref": profile["localhostProfile"]} if profile["type"] == "Localhost" else result
    )


def is_privileged(container: dict[str, Any]) -> bool:
    return bool((container.get("securityContext") or {}).get("privileged"))


def sandbox_context(pod: Object) -> dict[str, Any]:
    context = pod_context(pod)
    everyone = [*pods.containers(pod), *pods.init_containers(pod)]
    result: dict[str, Any] = {
        "namespace_options": namespace_options(pod),
        "privileged": any(is_privileged(one) for one in everyone),
        "seccomp": {"profile_type": RUNTIME_DEFAULT},
        "supplemental_groups": supplemental_groups(pod),
    }
    if selinux := context.get("seLinuxOptions"):
        result["selinux_options"] = dict(selinux)
    if (user := context.get("runAsUser")) is not None:
        result["run_as_user"] = {"value": user}
        if (group := context.get("runAsGroup")) is not None:
            result["run_as_group"] = {"value": group}
    return result


def supplemental_groups(pod: Object) -> list[int]:
    context = pod_context(pod)
    groups = list(context.get("supplementalGroups") or ())
    return [*groups, context["fsGroup"]] if context.get("fsGroup") is not None else groups


def container_context(
    pod: Object,
    container: dict[str, Any],
    target_id: str = "",
    *,
    seccomp_default: bool = False,
    seccomp_root: str = "/var/lib/kubelet/seccomp",
) -> dict[str, Any]:
    own = container.get("securityContext") or {}
    privileged = is_privileged(container)
    profile = effective(pod, container, "seccompProfile") or (
        {"type": "RuntimeDefault"} if seccomp_default else None
    )
    unmasked = own.get("procMount") == "Unmasked" or privileged
    result: dict[str, Any] = {
        "namespace_options": namespace_options(pod, target_id),
        "privileged": privileged,
        "readonly_rootfs": bool(own.get("readOnlyRootFilesystem")),
        "no_new_privs": own.get("allowPrivilegeEscalation") is False and not privileged,
        "seccomp": {"profile_type": UNCONFINED} if privileged else seccomp(profile, seccomp_root),
        "supplemental_groups": supplemental_groups(pod),
        "masked_paths": [] if unmasked else list(MASKED_PATHS),
        "readonly_paths": [] if unmasked else list(READ_ONLY_PATHS),
        "supplemental_groups_policy": int(pod_context(pod).get("supplementalGroupsPolicy") == "Strict"),
    }
    if (confinement := effective(pod, container, "appArmorProfile")) and not privileged:
        result["apparmor"] = apparmor(confinement)
    if selinux := effective(pod, container, "seLinuxOptions"):
        result["selinux_options"] = dict(selinux)
    if capabilities := own.get("capabilities"):
        result["capabilities"] = {
            "add_capabilities": list(capabilities.get("add") or ()),
            "drop_capabilities": list(capabilities.get("drop") or ()),
        }
    if (user := effective(pod, container, "runAsUser")) is not None:
        result["run_as_user"] = {"value": user}
    if (group := effective(pod, container, "runAsGroup")) is not None:
        result["run_as_group"] = {"value": group}
    return result


def with_image_user(context: dict[str, Any], image: Image | None) -> dict[str, Any]:
    """CRI wants a user beside a group: without `runAsUser` it is the image's own."""
    if "run_as_user" in context or image is None:
        return context
    if image.username:
        return {**context, "run_as_username": image.username}
    return {**context, "run_as_user": {"value": image.user_id or 0}}


def verify_non_root(pod: Object, container: dict[str, Any], image: Image | None) -> None:
    """Raise ConfigError in upstream's words when `runAsNonRoot` is set and the user is root or cannot be told."""
    if not effective(pod, container, "runAsNonRoot"):
        return
    where = (
        f'(pod: "{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})", container: {container["name"]})'
    )
    user = effective(pod, container, "runAsUser")
    if user is not None:
        if user == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    if image is None:
        return
    if image.user_id == 0 or (image.user_id is None and not image.username):
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    if image.user_id is None:
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({image.username}), cannot verify user is non-root {where}"
        )
