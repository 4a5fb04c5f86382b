"""What an application says of others in its log: names that are not found, connections that are refused. The service behind is looked at."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from pinnace.api import meta
from pinnace.api.core import pods, services
from pinnace.insight.findings import CAUSE, LIKELY, Evidence, Finding, Object, field, finding, word
from pinnace.insight.pod_state import is_well
from pinnace.insight.reachability import connection
from pinnace.insight.world import World

_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9.-]*)"
_UNKNOWN = tuple(map(re.compile, (
    rf"lookup {_NAME}(?: on [^ ]+)?: (?P<why>no such host|i/o timeout|server misbehaving)", rf"(?:Could not|couldn't) resolve host(?: name)?:? [\"']?{_NAME}",
    rf"could not translate host name [\"']{_NAME}", rf"getaddrinfo (?P<why>ENOTFOUND|EAI_AGAIN) {_NAME}", rf"bad address [\"']{_NAME}",
    rf"UnknownHostException: {_NAME}", rf"Failed to resolve [\"']{_NAME}", rf"unable to resolve host (?:address )?[\"'‘]?{_NAME}",
)))  # fmt: skip
_SILENT = ("i/o timeout", "EAI_AGAIN", "Temporary failure in name resolution")
_REFUSED = re.compile(r"(?P<ip>\d+\.\d+\.\d+\.\d+)\)?(?::|,? port:? ?)(?P<port>\d+)")


def names(pod: Object, world: World) -> Iterator[Finding]:
    """Of pods that do not work, or that the question names: logs are not read for others."""
    if pods.phase(pod) not in ("Running", "Failed") or pods.is_terminating(pod) or (is_well(pod, world.now) and not world.is_asked(pod)):  # fmt: skip
        return
    told = set[str]()
    for status in pods.container_statuses(pod):
        is_previous = "terminated" not in (status.get("state") or {}) and bool(status.get("restartCount"))
        for line in world.log(pod, status["name"], previous=is_previous):
            where = Evidence(f"log of {meta.name(pod)} {status['name']}", " ".join(line.split())[:300])
            match = next((found for one in _UNKNOWN if (found := one.search(line))), None)
            if match and match["name"] not in told:
                told.add(match["name"])
                yield from _unknown(pod, match["name"].rstrip("."), line, where, world)
            elif (
                "refused" in line.lower() and (refused := _REFUSED.search(line)) and refused["ip"] not in told
            ):
                told.add(refused["ip"])
                yield from _refused(pod, refused["ip"], int(refused["port"]), where, world)


def _unknown(pod: Object, name: str, line: str, where: Evidence, world: World) -> Iterator[Finding]:
    if any(text in line for text in _SILENT):
        yield from _silent(pod, name, where, world)
        return
    parts = name.split(".")
    is_inside = len(parts) <= 2 or (len(parts) > 2 and parts[2] == "svc")
    namespace = parts[1] if len(parts) > 1 else meta.namespace(pod)
    if not is_inside or not world.is_missing("Service", namespace, parts[0]):
        return
    if len(parts) == 2 and world.is_missing("Namespace", "", namespace):
        return  # example.org: a name outside
    have = [meta.name(one) for one in world.every("Service", namespace)]
    near = get_close_matches(parts[0], have, n=1, cutoff=0.5)
    elsewhere = [meta.namespace(one) for one in world.every("Service") if meta.name(one) == parts[0]]
    hint = f"; {near[0]} comes nearest" if near else ""
    if elsewhere:
        hint = f"; there is one in namespace {elsewhere[0]}, where its name is {parts[0]}.{elsewhere[0]}"
    yield finding(
        pod, f"it looks for {name}, and there is no service {parts[0]} in namespace {namespace}{hint}", rank=CAUSE,
        evidence=[where], commands=[f"kubectl get services -n {word(namespace)}"],
    )  # fmt: skip


def _silent(pod: Object, name: str, where: Evidence, world: World) -> Iterator[Finding]:
    """Nobody answered: the cluster's name server, or a policy in front of it."""
    server = world.get("Service", "kube-system", "kube-dns")
    if server is None:
        if world.is_missing("Service", "kube-system", "kube-dns"):
            yield finding(
                pod, f"it asked for the name {name}, and nobody answered: there is no service kube-system/kube-dns", rank=CAUSE,
                evidence=[where], commands=["kubectl get services -n kube-system"],
            )  # fmt: skip
        return
    look = "pinnace why service kube-dns -n kube-system"
    if not serves(server, world):
        yield finding(
            pod, f"it asked for the name {name}, and nobody answered: kube-system/kube-dns has no endpoint that is ready", rank=CAUSE,
            evidence=[where], commands=[look],
        )  # fmt: skip
        return
    blocks = [one for one in connection(server, pod, world, "53") if one.rank > LIKELY]
    if blocks:
        yield finding(
            pod, f"it asked for the name {name}, and nobody answered: {blocks[0].cause}", rank=CAUSE,
            evidence=[where, *blocks[0].evidence], commands=[*blocks[0].commands, f"{look} --from pod/{meta.name(pod)} --from-namespace {meta.namespace(pod)}"],
        )  # fmt: skip


def serves(service: Object, world: World) -> bool:
    """It has an endpoint that is ready, or that is not known."""
    namespace, name = meta.key(service)
    if not world.can_list("EndpointSlice", namespace):
        return True
    return any(
        (end.get("conditions") or {}).get("ready") is not False
        for one in world.every("EndpointSlice", namespace) if meta.labels(one).get("kubernetes.io/service-name") == name
        for end in one.get("endpoints") or ()
    )  # fmt: skip


def _refused(pod: Object, address: str, port: int, where: Evidence, world: World) -> Iterator[Finding]:
    for service in world.every("Service"):
        if address not in (service["spec"].get("clusterIPs") or [service["spec"].get("clusterIP")]):
            continue
        name = meta.key_text(service)
        look = f"pinnace why service {meta.name(service)} -n {meta.namespace(service)}"
        have = [one["port"] for one in services.ports(service)]
        if port not in have:
            why = f"service {name} has no port {port}; it has {', '.join(map(str, have))}"
        elif not serves(service, world):
            why = f"service {name} has no endpoint that is ready"
        else:
            why = f"nothing listens behind service {name} on port {port}"
        yield finding(pod, f"its connection to {address}:{port} is refused: {why}", rank=CAUSE if "listens" not in why else LIKELY,
                      evidence=[where, field(service, "spec.clusterIP", address)], commands=[look])  # fmt: skip
