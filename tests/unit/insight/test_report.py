"""How findings are shown."""

import json

from pinnace.insight.catalog import RULES
from pinnace.insight.diagnosis import Diagnosis, diagnose
from pinnace.insight.report import as_json, as_text
from pinnace.insight.world import KINDS, World
from unit.insight.recorded import NOW, Recorded, node, pod


def test_what_could_not_be_read_is_said() -> None:
    web = pod(node="n1", volumes=[{"name": "tls", "secret": {"secretName": "cert"}}])
    world = World(Recorded((web, node()), forbidden=("secrets",)), NOW)
    found = diagnose([web], world)
    assert as_text(found, world.unread, is_everything=False) == (
        "Nothing that is looked for is wrong (looked at 2 objects).\n\n"
        "Could not be read, so something may be missing above:\n  secrets shop/cert: secrets is forbidden\n"
    )
    assert json.loads(as_json(found, world.unread)) == {
        "complete": False, "healthy": True, "findings": [], "lookedAt": ["pod shop/web", "node n1"], "unread": {"secrets shop/cert": "secrets is forbidden"},
    }  # fmt: skip


def test_notes_are_left_out_where_nobody_asked() -> None:
    cordoned = {**node(), "spec": {"unschedulable": True}}
    found = diagnose([cordoned], World(Recorded((cordoned,)), NOW))
    assert "cordoned" in as_text(found, {}, is_everything=False)
    assert (
        as_text(found, {}, is_everything=True) == "Nothing that is looked for is wrong (looked at node n1).\n"
    )


def test_an_empty_diagnosis() -> None:
    assert (
        as_text(Diagnosis([], []), {}, is_everything=True)
        == "Nothing that is looked for is wrong (looked at 0 objects).\n"
    )


def test_rules_are_about_known_kinds() -> None:
    assert {kind for rule in RULES.values() for kind in rule.kinds} <= {*KINDS, "*"}
