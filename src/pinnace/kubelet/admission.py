"""Whether this node takes a pod that was bound to it: the same checks as the scheduler's, for those who set nodeName. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pinnace.api.core import node_affinity, pod_resources, pods
from pinnace.api.meta import Object

Refusal = tuple[str, str]  # reason, message
EVERY_ADDRESS = "0.0.0.0"
PORTS_TAKEN = "node(s) didn't have free ports for the requested pod ports"
SAFE_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    )
)  # fmt: skip
SYSCTL_NAMESPACES = (  # beginning, field that shares the host's namespace, upstream's word for that
    ("kernel.sem", "hostIPC", "ipc"), ("kernel.shm", "hostIPC", "ipc"), ("kernel.msg", "hostIPC", "ipc"),
    ("fs.mqueue.", "hostIPC", "ipc"), ("net.", "hostNetwork", "net"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this node can do for a pod's security: sysctls beside the safe ones, and what runtime and kernel have."""

    unsafe_sysctls: tuple[str, ...] = ()
    supplemental_groups_policy: bool = False
    app_armor: bool = False


NO_ABILITIES = Abilities()


def refusal(
    pod: Object,
    node: Object,
    others: Iterable[Object],
    allocatable: Mapping[str, Decimal],
    abilities: Abilities = NO_ABILITIES,
) -> Refusal | None:
    """`others` are the pods that this node runs already."""
    if (pod["spec"].get("os") or {}).get("name", "linux") != "linux":
        return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    if (refused := _ability_refusal(pod, abilities)) is not None:
        return refused
    if not node_affinity.matches(pod, node):
        return (
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )
    running = alive(others)
    taken = {port for other in running for port in pods.host_ports(other)}
    if any(_clashes(port, taken) for port in pods.host_ports(pod)):
        return "NodePorts", f"Predicate NodePorts failed: {PORTS_TAKEN}"
    short = next(shortages(pod, running, allocatable), None)
    return short.as_refusal() if short else None


def alive(others: Iterable[Object]) -> list[Object]:
    return [other for other in others if not pods.is_terminal(other)]


@dataclass(frozen=True, slots=True)
class Shortage:
    """Of one resource: what the pod asks for, what others use, what there is."""

    name: str
    asked: Decimal
    used: Decimal
    whole: Decimal

    @property
    def missing(self) -> Decimal:
        return self.asked - (self.whole - self.used)

    def as_refusal(self) -> Refusal:
        """Upstream counts cpu in thousandths here."""
        scale = 1000 if self.name == "cpu" else 1
        asked, used, whole = (int(amount * scale) for amount in (self.asked, self.used, self.whole))
        figures = f"requested: {asked}, used: {used}, capacity: {whole}"
        return f"OutOf{self.name}", f"Node didn't have enough resource: {self.name}, {figures}"


def shortages(
    pod: Object, running: Sequence[Object], allocatable: Mapping[str, Decimal]
) -> Iterator[Shortage]:
    """What the node has too little of beside the pods that run."""
    if len(running) + 1 > allocatable["pods"]:
        yield Shortage("pods", Decimal(1), Decimal(len(running)), allocatable["pods"])
    for name, amount in pod_resources.requests(pod).items():
        if not amount or ("/" in name and name not in allocatable):
            continue  # a resource of the cluster, of which the node knows nothing
        used = sum((pod_resources.requests(other).get(name, Decimal(0)) for other in running), Decimal(0))
        available = allocatable.get(name, Decimal(0))
        if used + amount > available:
            yield Shortage(name, amount, used, available)


def _ability_refusal(pod: Object, abilities: Abilities) -> Refusal | None:
    if (refused := _sysctl_refusal(pod, abilities.unsafe_sysctls)) is not None:
        return refused
    context = pod["spec"].get("securityContext") or {}
    if context.get("supplementalGroupsPolicy") == "Strict" and not abilities.supplemental_groups_policy:
        message = "SupplementalGroupsPolicy=Strict is not supported in this node"
        return "SupplementalGroupsPolicyNotSupported", message
    if not abilities.app_armor and _wants_app_armor(pod):
        return "AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"
    return None


def _wants_app_armor(pod: Object) -> bool:
    holders = [pod["spec"], *pods.all_containers(pod)]
    profiles = ((one.get("securityContext") or {}).get("appArmorProfile") or {} for one in holders)
    return any(one.get("type") in ("RuntimeDefault", "Localhost") for one in profiles)


def _sysctl_refusal(pod: Object, unsafe: tuple[str, ...]) -> Refusal | None:
    """A sysctl must be allowed, and have a namespace of its own in this pod: the host's are not the pod's to set."""
    for sysctl in (pod["spec"].get("securityContext") or {}).get("sysctls") or ():
        name = sysctl["name"].replace("/", ".")
        if name not in SAFE_SYSCTLS and not any(_matches_pattern(name, one) for one in unsafe):
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted'
        for beginning, field, word in SYSCTL_NAMESPACES:
            if name.startswith(beginning) and pod["spec"].get(field):
                return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowed with host {word} enabled'
    return None


def unsafe_sysctls_problem(patterns: Iterable[str]) -> str:
    """Why these cannot be allowed: only what has a namespace in each pod may be set by a pod; "" when they can."""
    for pattern in patterns:
        plain = pattern.replace("/", ".")
        if not any(plain.startswith(beginning) for beginning, _, _ in SYSCTL_NAMESPACES):
            return f'the sysctls "{pattern}" are not known to be namespaced'
    return ""


def _matches_pattern(name: str, pattern: str) -> bool:
    plain = pattern.replace("/", ".")
    return name.startswith(plain[:-1]) if plain.endswith("*") else name == plain


def _clashes(port: tuple[str, str, int], taken: set[tuple[str, str, int]]) -> bool:
    protocol, address, number = port
    return any(
        (protocol, number) == (other_protocol, other_number)
        and (address == other or EVERY_ADDRESS in (address, other))
        for other_protocol, other, other_number in taken
    )
