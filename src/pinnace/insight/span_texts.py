"""Spans in words."""

from collections.abc import Callable
from typing import Any

from pinnace.insight.findings import shown
from pinnace.insight.spans import REQUESTS, Node

Facts = dict[str, Any]
_STATIONS = ("authentication", "authorization", "queued", "admission", "store")
_MOST_AGENT = 40


def sentence(node: Node) -> str:
    """One line: who did what to which object."""
    if node.part == REQUESTS:
        return _request(node)
    words = _WORDS.get(node.name)
    text = words(node.facts) if words is not None else ""
    why = f", {shown(node.facts['why'])}" if node.facts.get("why") else ""
    error = f": {shown(node.facts['error'])}" if node.facts.get("error") else ""
    name = node.name.removesuffix(" pod") if node.about.startswith("pod/") else node.name
    return f"{part(node)}: {name} {node.about}".rstrip() + f"{text}{why}{error}"


def part(node: Node) -> str:
    """Who did it, as it is called in a trace; controllers by their name."""
    if node.name == "reconcile":
        return f"{node.part} controller"
    return "scheduler" if node.name == "schedule" and node.part == "default-scheduler" else node.part


def _request(node: Node) -> str:
    facts = node.facts
    sub = facts.get("subresource")
    verb = "bind" if sub == "binding" else node.name
    what = node.about if not sub or verb == "bind" else f"{node.about} ({sub})"
    many = f", {facts['objects']} of them" if facts.get("objects") else ""
    code = f" {facts['code']}" if facts.get("code", 0) >= 400 else ""
    end = f" -> revision {facts['revision']}" if facts.get("revision") else ""
    refused = f" refused{code}: {shown(facts['error'])}" if facts.get("error") else ""
    return f"{node.part}: {verb} {what} by {who(node)}{many}{end}{refused}"


def who(node: Node) -> str:
    """Who sent a request, with what, and from where."""
    facts = node.facts
    by, address = _user(facts.get("user", "")), facts.get("sourceIP")
    if not address:  # parts of the server's own process have none
        return by
    agent = str(facts.get("userAgent", "")).partition(" ")[0][:_MOST_AGENT]
    return f"{by} ({agent}) from {address}" if agent else f"{by} from {address}"


def _user(name: str) -> str:
    """`deployment-controller` for a service account of the system, `serviceaccount shop/robot` for another, `node n1`."""
    if name.startswith("system:serviceaccount:"):
        namespace, _, account = name.removeprefix("system:serviceaccount:").partition(":")
        return account if namespace == "kube-system" else f"serviceaccount {namespace}/{account}"
    return f"node {name.removeprefix('system:node:')}" if name.startswith("system:node:") else name


def details(node: Node) -> list[str]:
    """Further lines: stations of a request, changes by admission, nodes and scores."""
    if node.part == REQUESTS:
        return _request_details(node.facts)
    if node.name == "schedule":
        return _schedule_details(node.facts)
    return []


def _request_details(facts: Facts) -> list[str]:
    lines: list[str] = []
    took: Facts = facts.get("milliseconds") or {}
    if facts.get("sourceIP"):  # of what came over a connection
        stations = [f"{name} {took[name]:.2f} ms" for name in _STATIONS if name in took]
        if stations:
            lines.append(", ".join(stations))
    for change in facts.get("admissionChanges") or ():
        lines.append(f"{change['by']} changed {', '.join(change['fields'])}")
    if facts.get("alsoWrote"):
        lines.append(f"wrote before: {', '.join(facts['alsoWrote'])}")
    return lines


def _schedule_details(facts: Facts) -> list[str]:
    lines = []
    refused = facts.get("rejectedBy") or {}
    if refused:
        lines.append("refused: " + ", ".join(f"{count} by {plugin}" for plugin, count in refused.items()))
    if best := facts.get("bestNodes"):
        lines.append("best: " + ", ".join(f"{one['node']} {one['total']}" for one in best[:3]))
    preemption = facts.get("preemption") or {}
    if preemption.get("nominatedNode"):
        victims = ", ".join(preemption.get("victims") or ())
        lines.append(f"preemption: {preemption['nominatedNode']}, evicting {victims}")
    return lines


def _scheduled(facts: Facts) -> str:
    place = f"chose {facts['node']}" if facts.get("node") else "found no node"
    waited = f", waited {facts['waitedMilliseconds']:.1f} ms" if facts.get("waitedMilliseconds") else ""
    return f", attempt {facts.get('attempt')}: {place}, {facts.get('feasibleNodes')} of {facts.get('nodes')} nodes fit{waited}"


def _with(key: str, before: str = " ") -> Callable[[Facts], str]:
    return lambda facts: f"{before}{facts[key]}" if facts.get(key) else ""


def _image(facts: Facts) -> str:
    size = f", {_size(facts['bytes'])}" if facts.get("bytes") else ""
    return f" {facts.get('image')}{size}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count} bytes"


def _created(facts: Facts) -> str:
    attempt = f" (attempt {facts['attempt']})" if facts.get("attempt") else ""
    return f" {facts.get('container')}{attempt}"


def _on(facts: Facts) -> str:
    return f" on {facts['node']}" if facts.get("node") else ""


def _probed(facts: Facts) -> str:
    return f" {facts.get('container')}: {facts.get('result')}"


_WORDS: dict[str, Callable[[Facts], str]] = {
    "schedule": _scheduled,
    "run pod": _with("node", " on "),
    "simulated": _with("node", " on "),
    "volumes": _with("volumes", ": "),
    "pull image": _image,
    "image present": _image,
    "create container": _created,
    "stop container": _with("container"),
    "preStop": _with("container"),
    "back-off": lambda facts: f" {facts.get('container')} for {facts.get('seconds')} s",
    "start container": _with("container"),
    "postStart": _with("container"),
    "readiness probe": _probed,
    "startup probe": _probed,
    "liveness probe": _probed,
    "apply rules": lambda facts: (
        f" of service {facts.get('service')}{_on(facts)}, {facts.get('lines')} lines in one transaction"
    ),
    "apply routes": lambda facts: f", HAProxy was {facts.get('how')}",
    "records": lambda facts: f" of service {facts.get('service')}, {facts.get('names')} names",
}
