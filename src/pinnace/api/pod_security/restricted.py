"""The checks of the level "restricted": what is known as good practice, on top of the baseline."""

from collections.abc import Callable

from pinnace.api.pod_security import baseline
from pinnace.api.pod_security.subject import Check, Subject, Versions, Violation, named, plural, quoted, uses

_VOLUMES = frozenset((
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret", "image",
))  # fmt: skip


def allow_privilege_escalation(pod: Subject) -> Violation | None:
    bad = [
        name
        for name, _, security in pod.containers()
        if security.get("allowPrivilegeEscalation") is not False
    ]
    detail = f"{named('container', bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail) if bad else None


def capabilities(pod: Subject) -> Violation | None:
    keeping, adding, added = [], [], set()
    for name, _, security in pod.containers():
        own = security.get("capabilities") or {}
        if "ALL" not in (own.get("drop") or ()):
            keeping.append(name)
        if forbidden := set(own.get("add") or ()) - {"NET_BIND_SERVICE"}:
            adding.append(name)
            added |= forbidden
    details = []
    if keeping:
        details.append(f'{named("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(
            f"{named('container', adding)} must not include {quoted(sorted(added))} in securityContext.capabilities.add"
        )
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def volumes(pod: Subject) -> Violation | None:
    bad, types = [], set()
    for volume in pod.spec.get("volumes") or ():
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        if not _VOLUMES.intersection(sources):
            bad.append(volume.get("name", ""))
            types.update(sources or ["unknown"])
    if not bad:
        return None
    restricted_types = f"{plural('restricted volume type', len(types))} {quoted(sorted(types))}"
    return Violation("restricted volume types", f"{named('volume', bad)} {uses(len(bad))} {restricted_types}")


def run_as_non_root(pod: Subject) -> Violation | None:
    setters = pod.setters(lambda security: security.get("runAsNonRoot") is False)
    if setters:
        detail = f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false"
        return Violation("runAsNonRoot != true", detail)
    if pod.security.get("runAsNonRoot"):
        return None
    silent = [name for name, _, security in pod.containers() if security.get("runAsNonRoot") is None]
    detail = f"pod or {named('container', silent)} must set securityContext.runAsNonRoot=true"
    return Violation("runAsNonRoot != true", detail) if silent else None


def run_as_user(pod: Subject) -> Violation | None:
    setters = pod.setters(lambda security: security.get("runAsUser") == 0)
    return Violation("runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0") if setters else None


def seccomp(pod: Subject) -> Violation | None:
    if (bad := baseline.seccomp(pod)) is not None:
        return bad
    if pod.security.get("seccompProfile") is not None:
        return None
    silent = [name for name, _, security in pod.containers() if security.get("seccompProfile") is None]
    detail = f'pod or {named("container", silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", detail) if silent else None


def _unless(exempt: Callable[[Subject], bool], check: Check) -> Check:
    return lambda pod: None if exempt(pod) else check(pod)


def _not_on_windows(check: Check) -> Check:
    return _unless(lambda pod: pod.is_windows, check)


def _not_with_own_users(check: Check) -> Check:
    return _unless(lambda pod: pod.has_own_users, check)


# name -> (editions, names of the baseline's checks that it stands in for)
CHECKS: dict[str, tuple[Versions, frozenset[str]]] = {
    "allowPrivilegeEscalation": (
        ((8, allow_privilege_escalation), (25, _not_on_windows(allow_privilege_escalation))),
        frozenset(),
    ),
    "capabilities_restricted": (
        ((22, capabilities), (25, _not_on_windows(capabilities))),
        frozenset(("capabilities_baseline",)),
    ),
    "procMount_restricted": (((35, baseline.proc_mount),), frozenset(("procMount",))),
    "restrictedVolumes": (((0, volumes),), frozenset(("hostPathVolumes",))),
    "runAsNonRoot": (((0, run_as_non_root), (35, _not_with_own_users(run_as_non_root))), frozenset()),
    "runAsUser": (((23, run_as_user), (35, _not_with_own_users(run_as_user))), frozenset()),
    "seccompProfile_restricted": (
        ((19, seccomp), (25, _not_on_windows(seccomp))),
        frozenset(("seccompProfile_baseline",)),
    ),
}
