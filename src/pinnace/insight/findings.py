"""What a rule says: a cause in plain words, the evidence for it, what to type next, and how sure it is."""

from collections.abc import Iterable
from typing import Any, NamedTuple

Object = dict[str, Any]

# How near a finding is to the cause. The first broken link stands first: what is sure before what is likely, causes before their effects.
CAUSE = 90  # this is broken, and mending it is enough as far as can be seen
LIKELY = 70  # the cause, unless something unseen is
EFFECT = 40  # true, but the consequence of something else, which is looked for too
NOTE = 20  # worth knowing; nothing has to be broken


class Evidence(NamedTuple):
    """`where` is an object with a field, or an event: `pod/web spec.nodeSelector`, `event FailedScheduling`."""

    where: str
    text: str


class Finding(NamedTuple):
    rule: str
    kind: str
    namespace: str
    name: str
    rank: int
    cause: str
    evidence: tuple[Evidence, ...]
    commands: tuple[str, ...]  # each begins with `kubectl`
    alike: int = 0  # further objects of which the same is true
    is_progress: bool = False  # an effect that passes by itself, unless something below has a cause

    @property
    def about(self) -> str:
        """`Pod shop/web`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def finding(
    obj: Object, cause: str, *, rank: int = CAUSE, evidence: Iterable[Evidence] = (), commands: Iterable[str] = (),
    is_progress: bool = False,
) -> Finding:  # fmt: skip
    """A finding about `obj`; which rule it was is filled in by who called the rule."""
    metadata = obj["metadata"]
    return Finding(
        "", obj["kind"], metadata.get("namespace", ""), metadata["name"], rank, cause, tuple(evidence), tuple(commands),
        is_progress=is_progress,
    )  # fmt: skip


def field(obj: Object, path: str, value: Any) -> Evidence:
    return Evidence(f"{obj['kind'].lower()}/{obj['metadata']['name']} {path}", shown(value))


def shown(value: Any) -> str:
    """A value in one line: `a=b,c=d` for labels, text as it is."""
    if isinstance(value, dict):
        return ",".join(f"{key}={shown(one)}" for key, one in value.items()) or "{}"
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "[]"
    if value is None:
        return "<not set>"
    return str(value).lower() if isinstance(value, bool) else " ".join(str(value).split())


def event(one: Object) -> Evidence:
    count = (one.get("series") or {}).get("count") or one.get("count") or 1
    times = f" (x{count})" if count > 1 else ""
    return Evidence(
        f"event {one.get('reason', '')}{times}", shown(one.get("message") or one.get("note") or "")
    )


def condition(obj: Object, one: Object) -> Evidence:
    reason = f" ({one['reason']})" if one.get("reason") else ""
    text = f"{one.get('status')}{reason}"
    if one.get("message"):
        text += f": {shown(one['message'])}"
    return Evidence(
        f"{obj['kind'].lower()}/{obj['metadata']['name']} status.conditions[{one.get('type')}]", text
    )


def word(text: str) -> str:
    """One word of a shell: what somebody wrote into an object must not run as a command of whoever copies it."""
    from shlex import quote

    return quote(text)


def in_namespace(obj: Object) -> str:
    """` -n shop`, to put behind a command."""
    namespace = obj["metadata"].get("namespace")
    return f" -n {namespace}" if namespace else ""


def ready_to_type(verb: str, obj: Object, rest: str = "") -> str:
    """`kubectl describe pod web -n shop`."""
    text = f"kubectl {verb} {obj['kind'].lower()} {word(obj['metadata']['name'])}{in_namespace(obj)}"
    return f"{text} {rest}" if rest else text
