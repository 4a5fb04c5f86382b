"""The pages of /debug/scheduler."""

from typing import Any

from pinnace.testing.fake_client import FakeClient
from pinnace.testing.fake_clock import FakeClock
from unit.scheduler.objects import node, pod
from unit.scheduler.test_loop import running

Object = dict[str, Any]


async def test_shows_what_was_decided_and_why() -> None:
    objects = [
        node("n1", cpu="1"), node("n2", cpu="2"), node("n3", cpu="2"),
        pod("low", cpu="1", node="n1", labels={"a": "b"}), pod("web", cpu="1"), pod("huge", cpu="9", namespace="other"),
    ]  # fmt: skip
    client, clock = FakeClient(objects), FakeClock()
    async with running(client, clock) as scheduler:
        page = scheduler.debug(["decisions"], {})["decisions"]
        assert {(one["pod"], one["result"]) for one in page} == {
            ("web", "scheduled"),
            ("huge", "unschedulable"),
        }
        assert [
            one["pod"] for one in scheduler.debug(["decisions"], {"namespace": "other"})["decisions"]
        ] == ["huge"]
        assert [
            one["pod"] for one in scheduler.debug(["decisions"], {"result": "scheduled"})["decisions"]
        ] == ["web"]
        assert len(scheduler.debug(["decisions"], {"limit": "1"})["decisions"]) == 1
        assert len(scheduler.debug(["decisions"], {"limit": "\N{SUPERSCRIPT TWO}"})["decisions"]) == 2
        web = scheduler.debug(["decisions", "default", "web"], {})
        assert web["node"] in ("n2", "n3")
        assert (web["nodes"], web["feasibleNodes"], web["rejectedBy"]) == (3, 2, {"NodeResourcesFit": 1})
        assert {card["node"] for card in web["bestNodes"]} == {"n2", "n3"}
        assert web["bestNodes"][0]["scores"]["NodeResourcesFit"] == 73
        huge = scheduler.debug(["decisions", "other", "huge"], {})
        assert huge["reasons"] == [{"reason": "Insufficient cpu", "count": 3, "nodes": ["n1", "n2", "n3"]}]
        assert (huge["attempt"], huge["schedulerName"]) == (1, "default-scheduler")
        assert huge["preemption"]["message"].startswith("preemption: 0/3 nodes are available")
        queue = scheduler.debug(["queue"], {})
        assert queue["queue"]["unschedulable"] == 1
        assert [(one["pod"], one["queue"], one["refusedBy"]) for one in queue["pods"]] == [
            ("huge", "unschedulable", ["NodeResourcesFit"])
        ]


async def test_shows_victims_and_keeps_hold_of_none() -> None:
    low = pod("low", cpu="1", node="n1")
    low["metadata"]["finalizers"] = ["example.com/test"]
    client, clock = FakeClient([node("n1", cpu="1"), low, pod("high", cpu="1", priority=5)]), FakeClock()
    async with running(client, clock) as scheduler:
        page = scheduler.debug(["decisions", "default", "high"], {})
        assert page["preemption"] == {"nominatedNode": "n1", "victims": ["default/low"], "message": ""}
        record = scheduler.decisions.get("default", "high")
        assert record is not None
        assert record.decision.preemption is not None
        assert record.decision.preemption.victims == ()


async def test_knows_nothing_of_other_pages_and_pods() -> None:
    client, clock = FakeClient([node("n1")]), FakeClock()
    async with running(client, clock) as scheduler:
        assert scheduler.debug(["decisions", "default", "nobody"], {}) is None
        assert scheduler.debug(["secrets"], {}) is None
        assert set(scheduler.debug([], {})) == {"pages", "queue", "decisions"}
