"""`drain`: cordon a node, then evict its pods, keeping to disruption budgets."""

from typing import Any

from pinnace.cli import clock, dry_run
from pinnace.cli.ages import seconds_since
from pinnace.cli.command import CHUNK_SIZE, DRY_RUN, Command
from pinnace.cli.commands.nodes import SELECTOR, chosen_nodes, set_cordoned
from pinnace.cli.errors import CliError, PlainError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
RETRY_SECONDS = 5.0


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    failed: dict[str, list[str]] = {}
    for one, node in chosen_nodes(session, flags, arguments):
        set_cordoned(session, flags, one, node, wanted=True)
        problems = _drain(session, flags, one.name)
        if problems:
            failed[one.name] = problems
            warn(
                f'error: unable to drain node "{one.name}" due to error: {_joined(problems)}, continuing command...'
            )
        else:
            print(f"{one.shown} drained{dry_run.suffix(flags)}")
    if failed:
        warn(f"There are pending nodes to be drained:\n {chr(10).join(failed)}")
        raise PlainError("\n".join(f"{problem}" for problem in next(iter(failed.values()))))
    return 0


def _joined(problems: list[str]) -> str:
    return problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"


def _drain(session: Session, flags: Values, name: str) -> list[str]:
    query = {"fieldSelector": f"spec.nodeName={name}"}
    if flags["pod-selector"]:
        query["labelSelector"] = flags["pod-selector"]
    if flags["chunk-size"]:
        query["limit"] = str(flags["chunk-size"])
    pods: list[Object] = []
    while True:
        page = session.http.get("/api/v1/pods", query)
        pods += page.get("items") or []
        query["continue"] = (page.get("metadata") or {}).get("continue") or ""
        if not query["continue"]:
            break
    doomed, warnings, problems = sort_out(session, flags, pods)
    if problems:
        return problems
    if warnings:
        warn(f"Warning: {'; '.join(warnings)}")
    if dry_run.mode(flags) == "none":
        _evict_all(session, flags, doomed)
    else:
        for pod in doomed:
            print(
                f"evicting pod {pod['metadata']['namespace']}/{pod['metadata']['name']}{dry_run.suffix(flags)}"
            )
    return []


# --- which pods


def sort_out(
    session: Session, flags: Values, pods: list[Object]
) -> tuple[list[Object], list[str], list[str]]:
    """(to evict, warnings, what stands against it)."""
    doomed: list[Object] = []
    found: dict[str, list[str]] = {}
    for pod in pods:
        reason = _obstacle(session, flags, pod)
        if reason == "skip" or (not reason and _is_long_deleted(flags, pod)):
            continue
        allowed = _is_allowed(flags, reason)
        if reason:
            found.setdefault(reason, []).append(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}")
        if allowed and reason != "daemon":
            doomed.append(pod)
    warnings = [
        f"{WARNINGS[reason]}: {', '.join(names)}"
        for reason, names in found.items()
        if _is_allowed(flags, reason) and reason in WARNINGS
    ]
    problems = [
        f"{ERRORS[reason]}: {', '.join(names)}"
        for reason, names in found.items()
        if not _is_allowed(flags, reason)
    ]
    return doomed, warnings, problems


WARNINGS = {"daemon": "ignoring DaemonSet-managed Pods", "bare": "deleting Pods that declare no controller",
            "local": "deleting Pods with local storage"}  # fmt: skip
ERRORS = {
    "daemon": "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)",
    "bare": "cannot delete Pods that declare no controller (use --force to override)",
    "local": "cannot delete Pods with local storage (use --delete-emptydir-data to override)",
}


def _is_long_deleted(flags: Values, pod: Object) -> bool:
    since, limit = pod["metadata"].get("deletionTimestamp"), flags["skip-wait-for-delete-timeout"]
    return bool(since) and limit > 0 and seconds_since(since) > limit


def _is_allowed(flags: Values, reason: str) -> bool:
    flag = {"daemon": "ignore-daemonsets", "bare": "force", "local": "delete-emptydir-data"}.get(reason)
    return flag is None or bool(flags[flag])


def _obstacle(session: Session, flags: Values, pod: Object) -> str:
    metadata = pod["metadata"]
    if MIRROR in (metadata.get("annotations") or {}) or metadata.get("deletionTimestamp"):
        return "skip" if MIRROR in (metadata.get("annotations") or {}) else ""
    finished = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    owner = next((o for o in metadata.get("ownerReferences") or () if o.get("controller")), None)
    if owner is not None and owner["kind"] == "DaemonSet":
        return "" if finished or not _exists(session, owner, metadata["namespace"]) else "daemon"
    if finished:
        return ""
    has_local = any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ())
    if owner is None and (not has_local or flags["delete-emptydir-data"]):
        return "bare"
    return "local" if has_local else ""


def _exists(session: Session, owner: Object, namespace: str) -> bool:
    try:
        session.http.get(f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{owner['name']}")
    except ServerError as error:
        if not_found(error):
            return False
        raise
    return True


# --- eviction


def _evict_all(session: Session, flags: Values, pods: list[Object]) -> None:
    end = clock.monotonic() + flags["timeout"] if flags["timeout"] else None
    waiting = list(pods)
    for pod in pods:
        print(f"evicting pod {pod['metadata']['namespace']}/{pod['metadata']['name']}")
    blocked = list(pods)
    retry_at = 0.0
    while waiting:
        if blocked and clock.monotonic() >= retry_at:
            blocked = [pod for pod in blocked if not _evict(session, flags, pod)]
            retry_at = clock.monotonic() + RETRY_SECONDS
        waiting = [pod for pod in waiting if pod in blocked or not _is_gone(session, pod)]
        if waiting:
            if end is not None and clock.monotonic() > end:
                raise CliError(f"drain did not complete within {flags['timeout']:g}s")
            clock.sleep(0.2)


def _evict(session: Session, flags: Values, pod: Object) -> bool:
    """False when a budget does not allow it now."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    options = {"gracePeriodSeconds": flags["grace-period"]} if flags["grace-period"] >= 0 else {}
    try:
        if flags["disable-eviction"]:
            session.http.request("DELETE", path, None, options)
        else:
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": options,
                    "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]}}  # fmt: skip
            session.http.request("POST", f"{path}/eviction", None, body)
    except ServerError as error:
        if error.reason == "TooManyRequests":
            warn(
                f'error when evicting pods/"{metadata["name"]}" -n "{metadata["namespace"]}" (will retry after 5s): {error}'
            )
            return False
        if not not_found(error):
            raise
    return True


def _is_gone(session: Session, pod: Object) -> bool:
    metadata = pod["metadata"]
    try:
        now = session.http.get(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}")
    except ServerError as error:
        if not_found(error):
            print(f"pod/{metadata['name']} evicted")
            return True
        raise
    if now["metadata"]["uid"] != metadata["uid"]:
        print(f"pod/{metadata['name']} evicted")
        return True
    return False


DRAIN = Command(
    run,
    (
        SELECTOR,
        DRY_RUN,
        Flag("force", kind="bool", help="Go on even if there are pods that declare no controller."),
        Flag("ignore-daemonsets", kind="bool", help="Leave DaemonSet-managed pods."),
        Flag("delete-emptydir-data", kind="bool", help="Go on even if there are pods with emptyDir volumes."),
        Flag(
            "grace-period", kind="int", default=-1, help="Seconds each pod gets to end; its own by default."
        ),
        Flag("timeout", kind="duration", help="How long to wait before giving up; 0 means for ever."),
        CHUNK_SIZE,
        Flag(
            "skip-wait-for-delete-timeout",
            kind="int",
            help="Leave pods whose deletion began more than so many seconds ago; 0 leaves none.",
        ),
        Flag("pod-selector", help="Only pods with these labels."),
        Flag("disable-eviction", kind="bool", help="Delete instead of evicting, past disruption budgets."),
    ),
    "NODE",
    "Drain node in preparation for maintenance.",
)
