"""`auth reconcile`: roles and bindings that hold at least (or exactly) what files say; a binding of another role is made anew."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pinnace.cli import dry_run, printers
from pinnace.cli.builder import Selection, from_files, has_files
from pinnace.cli.command import DRY_RUN, FILES, OUTPUT, Command
from pinnace.cli.errors import CliError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
OPT_OUT = "rbac.authorization.kubernetes.io/autoupdate"
PARTS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


class Outcome(NamedTuple):
    """`operation`: create, update, recreate or "". Added and removed are as text, a line each.

    `is_protected`: the object opted out, and is left as it is.
    """

    operation: str
    obj: Object
    added: list[str] = []
    removed: list[str] = []
    is_protected: bool = False


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if not has_files(flags):
        raise CliError("must specify one of -f and -k")
    if arguments:
        raise CliError("no arguments are allowed")
    if dry_run.mode(flags) == "server":
        raise CliError("--dry-run=server for command reconcile is not supported yet")
    for one in from_files(session, flags):
        if one.resource.group != GROUP or one.manifest is None:
            continue
        is_role = one.resource.kind in ("Role", "ClusterRole")
        live = _live(session, one)
        if is_role:
            outcome = _role(one.manifest, live, exact=flags["remove-extra-permissions"])
        else:
            outcome = _binding(one.manifest, live, exact=flags["remove-extra-subjects"])
        obj = _send(session, flags, one, outcome)
        printers.printer(flags, lambda _, one=one: one.shown, f"reconciled{dry_run.suffix(flags)}")(obj)  # type: ignore[misc]
        _report(outcome, "rules" if is_role else "subjects")
    return 0


def _live(session: Session, one: Selection) -> Object | None:
    try:
        found: Object = session.http.get(one.path)
    except ServerError as error:
        if not_found(error):
            return None
        raise
    return found


def _send(session: Session, flags: Values, one: Selection, outcome: Outcome) -> Object:
    if not outcome.operation or outcome.is_protected or dry_run.mode(flags) == "client":
        return outcome.obj
    if outcome.operation == "recreate":
        session.http.request("DELETE", one.path)
    if outcome.operation == "update":
        new: Object = session.http.request("PUT", one.path, None, outcome.obj)
    else:
        new = session.http.request("POST", one.resource.path(one.namespace), None, outcome.obj)
    return new


def _report(outcome: Outcome, what: str) -> None:
    """On standard error, as kubectl does."""
    if outcome.operation:
        caveat = f", but object opted out ({OPT_OUT}: false)" if outcome.is_protected else ""
        warn(f"\treconciliation required {outcome.operation}{caveat}")
    for title, lines in (
        (f"missing {what} added", outcome.added),
        (f"extra {what} removed", outcome.removed),
    ):
        if lines:
            warn("\n\t\t".join([f"\t{title}:", *lines]))


# --- roles


def _role(wanted: Object, live: Object | None, *, exact: bool) -> Outcome:
    rules = wanted.get("rules") or []
    if live is None:
        return Outcome("create", wanted, [_rule_text(rule) for rule in rules])
    now = live.get("rules") or []
    missing = [single for rule in rules for single in _singles(rule) if not _is_covered(single, now)]
    are_both_aggregated = bool(wanted.get("aggregationRule") and live.get("aggregationRule"))
    extra = (
        [single for rule in now for single in _singles(rule) if not _is_covered(single, rules)]
        if exact and not are_both_aggregated
        else []
    )
    new = _with_metadata(live, wanted)
    if missing or extra:
        new["rules"] = rules if exact else [*now, *missing]
    _aggregate(new, wanted, live, exact=exact)
    return Outcome(
        "update" if new != live else "",
        new,
        [_rule_text(one) for one in missing],
        [_rule_text(one) for one in extra],
        _is_protected(live),
    )


def _aggregate(new: Object, wanted: Object, live: Object, *, exact: bool) -> None:
    """The selectors of `new`: those of both, or (exactly) those of the file; none when the file has no rule."""
    if not wanted.get("aggregationRule"):
        new.pop("aggregationRule", None)
        return
    now = (live.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    selectors = wanted["aggregationRule"].get("clusterRoleSelectors") or []
    missing = [one for one in selectors if one not in now]
    if exact and (missing or any(one not in selectors for one in now)):
        new["aggregationRule"] = wanted["aggregationRule"]
    elif missing:
        new["aggregationRule"] = {"clusterRoleSelectors": [*now, *missing]}


def _is_protected(live: Object) -> bool:
    return (live["metadata"].get("annotations") or {}).get(OPT_OUT) == "false"


def _singles(rule: Object) -> Iterator[Object]:
    """A rule taken apart: one verb on one resource (and name) of one group, or on one path."""
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield {"verbs": [verb], "nonResourceURLs": [url]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or (None,):
                    single = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                    yield single if name is None else {**single, "resourceNames": [name]}


def _is_covered(single: Object, rules: list[Object]) -> bool:
    return any(_covers(rule, single) for rule in rules)


def _covers(rule: Object, single: Object) -> bool:
    def has(part: str, *, star: bool = True) -> bool:
        wanted = single.get(part) or []
        known = rule.get(part) or []
        return all(one in known or (star and "*" in known) for one in wanted)

    if single.get("nonResourceURLs"):
        (url,) = single["nonResourceURLs"]
        known = rule.get("nonResourceURLs") or ()
        return has("verbs") and any(
            one == url or (one.endswith("*") and url.startswith(one[:-1])) for one in known
        )
    names = rule.get("resourceNames") or []
    if names and not (single.get("resourceNames") and has("resourceNames", star=False)):
        return False
    (resource,) = single["resources"]
    known = rule.get("resources") or []
    sub = resource.partition("/")[2]
    return has("verbs") and has("apiGroups") and (has("resources") or bool(sub and f"*/{sub}" in known))


def _rule_text(rule: Object) -> str:
    titles = ("Verbs", "APIGroups", "Resources", "ResourceNames", "NonResourceURLs")
    return (
        "{"
        + " ".join(f"{t}:[{' '.join(rule.get(p) or ())}]" for t, p in zip(titles, PARTS, strict=True))
        + "}"
    )


# --- bindings


def _binding(wanted: Object, live: Object | None, *, exact: bool) -> Outcome:
    subjects = [_subject(one) for one in wanted.get("subjects") or ()]
    if live is None:
        return Outcome("create", wanted, list(map(_subject_text, subjects)))
    if live["roleRef"] != {"apiGroup": GROUP, **wanted["roleRef"]}:
        return Outcome("recreate", wanted, is_protected=_is_protected(live))
    now = live.get("subjects") or []
    missing = [one for one in subjects if one not in now]
    extra = [one for one in now if one not in subjects] if exact else []
    new = _with_metadata(live, wanted)
    if missing or extra:
        new["subjects"] = subjects if exact else [*now, *missing]
    return Outcome(
        "update" if new != live else "",
        new,
        list(map(_subject_text, missing)),
        list(map(_subject_text, extra)),
        _is_protected(live),
    )


def _subject(one: Object) -> Object:
    """With its group as the server fills it in."""
    return one if one["kind"] == "ServiceAccount" or one.get("apiGroup") else {**one, "apiGroup": GROUP}


def _subject_text(one: Object) -> str:
    return f"{{Kind:{one['kind']} APIGroup:{one.get('apiGroup', '')} Name:{one['name']} Namespace:{one.get('namespace', '')}}}"


def _with_metadata(live: Object, wanted: Object) -> Object:
    """The live object, with those labels and annotations of the file that it does not have."""
    metadata = dict(live["metadata"])
    for field in ("labels", "annotations"):
        if more := wanted["metadata"].get(field):
            metadata[field] = {**more, **(metadata.get(field) or {})}
    return {**live, "metadata": metadata}


RECONCILE = Command(
    run,
    (
        *FILES,
        *OUTPUT,
        DRY_RUN,
        Flag("remove-extra-permissions", kind="bool", help="Take away what the file does not grant."),
        Flag("remove-extra-subjects", kind="bool", help="Take away subjects that the file does not name."),
    ),
    "-f FILENAME",
    "Reconciles rules for RBAC role, role binding, cluster role, and cluster role binding objects.",
)
