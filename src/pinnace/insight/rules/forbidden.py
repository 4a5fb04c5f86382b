"""What an application was forbidden: the API server's refusal in the last lines of its log, and the role that would grant it."""

import re
from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.insight.findings import CAUSE, Evidence, Finding, Object, finding, word
from pinnace.insight.pod_state import is_well
from pinnace.insight.rights import Question, Subject, account_groups, explain
from pinnace.insight.world import World

_REFUSAL = re.compile(
    r'User \\?"(?P<user>system:serviceaccount:[^"\\]+)\\?" cannot (?P<verb>\w+) resource \\?"(?P<resource>[^"\\]+)\\?" '
    r'in API group \\?"(?P<group>[^"\\]*)\\?"(?: in the namespace \\?"(?P<namespace>[^"\\]+)\\?"| at the cluster scope)'
)


def forbidden(pod: Object, world: World) -> Iterator[Finding]:
    """Of pods that do not work, or that the question names: logs are not read for others."""
    if (
        pods.phase(pod) != "Running"
        or pods.is_terminating(pod)
        or (is_well(pod, world.now) and not world.is_asked(pod))
    ):
        return
    told = set[tuple[str, ...]]()
    for status in pods.container_statuses(pod):
        is_previous = "waiting" in (status.get("state") or {}) and bool(status.get("restartCount"))
        for line in world.log(pod, status["name"], previous=is_previous):
            match = _REFUSAL.search(line)
            if match is None or match.groups() in told:
                continue
            told.add(match.groups())
            yield _refused(pod, status["name"], line, match, world)


def _refused(pod: Object, container: str, line: str, match: re.Match[str], world: World) -> Finding:
    user = match["user"]
    question = Question(match["verb"], match["resource"], match["group"], "", match["namespace"] or "")
    found = explain(question, Subject(user, account_groups(user)), is_allowed=False, reason="", world=world)
    scope = f" -n {word(question.namespace)}" if question.namespace else " -A"
    what = f"{question.resource}{f'.{question.group}' if question.group else ''}"
    return finding(
        pod, f"its service account {user.removeprefix('system:serviceaccount:').replace(':', '/')} is forbidden to {question.text}",
        rank=CAUSE, evidence=[Evidence(f"log of {meta.name(pod)} {container}", " ".join(line.split())[:300]), *found.evidence],
        commands=[*found.commands, f"pinnace why can-i {word(question.verb)} {word(what)} --as {word(user)}{scope}"],
    )  # fmt: skip
