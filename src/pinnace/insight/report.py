"""What was found, as text for people and as JSON for programs."""

import json
from collections.abc import Mapping
from typing import Any

from pinnace.insight.commands import PLACEHOLDER, is_edit, is_look
from pinnace.insight.diagnosis import Diagnosis
from pinnace.insight.findings import CAUSE, EFFECT, LIKELY, NOTE, Finding

_MOST_UNREAD = 5


def certainty(rank: int) -> str:
    if rank >= CAUSE - 10:
        return "cause"
    if rank >= LIKELY - 20:
        return "likely"
    return "effect" if rank >= EFFECT else "note"


def as_text(found: Diagnosis, unread: Mapping[str, str], *, is_everything: bool) -> str:
    """`is_everything`: nobody asked about a certain object, so notes are left out."""
    shown = [one for one in found.findings if not is_everything or one.rank > NOTE]
    lines: list[str] = []
    if not any(one.rank > NOTE for one in shown):
        is_blind = not found.looked_at and bool(unread)
        lines.append(
            "Nothing could be looked at."
            if is_blind
            else f"Nothing that is looked for is wrong ({_looked_at(found)})."
        )
    for number, one in enumerate(shown, 1):
        if lines:
            lines.append("")
        lines += _paragraph(number, one)
    if unread:
        lines += ["", "Could not be read, so something may be missing above:"]
        lines += [f"  {what}: {why}" for what, why in list(unread.items())[:_MOST_UNREAD]]
        if len(unread) > _MOST_UNREAD:
            lines.append(f"  and {len(unread) - _MOST_UNREAD} more")
    return "\n".join(lines) + "\n"


def _looked_at(found: Diagnosis) -> str:
    if len(found.looked_at) == 1:
        return f"looked at {found.looked_at[0]}"
    return f"looked at {len(found.looked_at)} objects"


def _paragraph(number: int, one: Finding) -> list[str]:
    words = {"likely": " (likely)", "effect": " (a consequence)", "note": " (nothing has to be wrong)"}
    lines = [f"{number}. {one.about}: {one.cause}{words.get(certainty(one.rank), '')}"]
    for title, texts in (
        ("seen", [f"{seen.where}: {seen.text}" for seen in one.evidence]),
        ("try", [command for command in one.commands if not is_look(command)]),
        ("look", [command for command in one.commands if is_look(command)]),
    ):
        for at, text in enumerate(dict.fromkeys(texts)):
            lines.append(f"   {title if at == 0 else '':<5}{text}")
    return lines


def is_partial(unread: Mapping[str, str]) -> bool:
    """Logs only add to what is known otherwise."""
    return any(not what.startswith("log of ") for what in unread)


def as_json(found: Diagnosis, unread: Mapping[str, str]) -> str:
    return json.dumps(
        {
            "complete": not is_partial(unread),
            "healthy": not any(one.rank > NOTE for one in found.findings),
            "findings": [_entry(one) for one in found.findings],
            "lookedAt": found.looked_at,
            "unread": dict(unread),
        },
        indent=4,
        ensure_ascii=False,
    ) + "\n"  # fmt: skip


def _entry(one: Finding) -> dict[str, Any]:
    about = {"kind": one.kind, "namespace": one.namespace, "name": one.name}
    return {
        "rule": one.rule,
        "object": {key: value for key, value in about.items() if value},
        "certainty": certainty(one.rank),
        "cause": one.cause,
        "alike": one.alike,
        "evidence": [{"where": seen.where, "text": seen.text} for seen in one.evidence],
        "commands": list(one.commands),
        "steps": [_step(command) for command in one.commands],
    }


def _step(command: str) -> dict[str, Any]:
    return {
        "command": command,
        "does": "look" if is_look(command) else "edit" if is_edit(command) else "change",
        "placeholders": sorted(set(PLACEHOLDER.findall(command))),
    }
