"""The pods and containers that a command about a workload means: `deploy/web` stands for one of its pods."""

import contextlib
import sys
from typing import Any

from pinnace.cli.builder import Selection, fetch, select
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.selectors_text import of_label_selector, of_map
from pinnace.cli.session import Session

Object = dict[str, Any]
RUNNING_TIMEOUT = Flag(
    "pod-running-timeout",
    kind="duration",
    default=60.0,
    help="How long to wait for a first pod of a workload (like 5s, 2m, or 3h, higher than zero).",
)
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def pods_of(session: Session, flags: Values, argument: str, doing: str = "attach to") -> list[Object]:
    """The pod itself, or the pods of a workload, ready and old ones first."""
    words = [argument] if "/" in argument else ["pods", argument]
    (one,) = select(session, words, flags)
    return of_selection(session, flags, one, doing)


def of_selection(session: Session, flags: Values, one: Selection, doing: str = "attach to") -> list[Object]:
    (obj,) = fetch(session, one, flags)
    if one.resource.qualified == "pods":
        return [obj]
    selector = (obj.get("spec") or {}).get("selector")
    if not selector:
        kind = f"*{one.resource.version}.{one.resource.kind}"
        raise CliError(f"cannot {doing} {kind}: selector for {kind} not implemented")
    is_map = one.resource.qualified in ("services", "replicationcontrollers")
    text = of_map(selector) if is_map else of_label_selector(selector)
    path = f"/api/v1/namespaces/{one.namespace}/pods"
    listed = session.http.get(path, {"labelSelector": text})
    found: list[Object] = listed.get("items") or []
    if not found and "pod-running-timeout" in flags:
        return _first_to_come(session, path, text, listed["metadata"]["resourceVersion"], flags)
    found.sort(key=_preference)
    return [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in found]


def _first_to_come(session: Session, path: str, selector: str, version: str, flags: Values) -> list[Object]:
    from pinnace.cli import watching

    query, timeout = {"labelSelector": selector}, flags["pod-running-timeout"]
    with contextlib.suppress(TimeoutError):
        for kind, pod in watching.events(session.http, path, query, version, timeout=timeout):
            if kind in ("ADDED", "MODIFIED"):
                return [pod]
    return []


def _preference(pod: Object) -> tuple[Any, ...]:
    """Running and ready pods before others, as kubectl's ActivePods order has it, the longest-running first."""
    status = pod.get("status") or {}
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    phases = {"Running": 0, "Unknown": 1, "Pending": 2}
    return (
        not pod["spec"].get("nodeName"), phases.get(status.get("phase", ""), 3), not ready,
        pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"],
    )  # fmt: skip


def one_pod(session: Session, flags: Values, argument: str) -> Object:
    found = pods_of(session, flags, argument)
    if not found:
        raise CliError("timed out waiting for the condition")
    return found[0]


def containers(pod: Object) -> list[str]:
    spec = pod["spec"]
    parts = ("initContainers", "containers", "ephemeralContainers")
    return [container["name"] for part in parts for container in spec.get(part) or ()]


def default_container(pod: Object, *, quiet: bool = False) -> str:
    """The annotated one, else the first; says so on standard error when there are others."""
    annotated = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    if annotated in containers(pod):
        return str(annotated)
    spec = pod["spec"]
    first = spec["containers"][0]["name"]
    if len(containers(pod)) > 1 and not quiet:
        others = [c["name"] for c in spec["containers"]]
        others += [f"{c['name']} (ephem)" for c in spec.get("ephemeralContainers") or ()]
        others += [f"{c['name']} (init)" for c in spec.get("initContainers") or ()]
        print(f'Defaulted container "{first}" out of: {", ".join(others)}', file=sys.stderr)
    return str(first)
