"""Nominations: what counts for whom, and whose word is newer."""

import numpy as np

from pinnace.scheduler.cache import SchedulerCache
from pinnace.scheduler.nomination import Nominator
from pinnace.scheduler.pod_info import PodInfo
from pinnace.scheduler.pod_parsing import parse_pod
from unit.scheduler.objects import node, pod


def info(name: str = "p", priority: int = 5, cpu: str = "1") -> PodInfo:
    return parse_pod(pod(name, cpu=cpu, priority=priority))


def nominator(*names: str) -> Nominator:
    cache = SchedulerCache()
    for name in names:
        cache.set_node(node(name))
    return Nominator(cache.nodes)


def test_follows_what_the_status_says() -> None:
    made = nominator("n1", "n2")
    assert made.heed(info(), "", "n1") == ""
    assert made.node_of(info().uid) == "n1"
    assert made.heed(info(), "n1", "n2") == "n1"
    assert made.heed(info(), "n2", "") == "n2"
    assert not len(made)


def test_a_status_that_has_not_changed_takes_nothing_back() -> None:
    made = nominator("n1")
    made.decide(info(), "n1")
    assert made.heed(info(), "", "") == ""
    assert made.node_of(info().uid) == "n1"


def test_an_older_status_does_not_undo_a_newer_decision() -> None:
    made = nominator("n1", "n2")
    made.decide(info(), "n2")
    made.heed(info(), "n1", "")  # that the earlier nomination was withdrawn is seen late
    assert made.node_of(info().uid) == "n2"
    made.heed(info(), "", "n2")
    made.heed(info(), "n2", "")  # and this is news
    assert made.node_of(info().uid) == ""


def test_counts_for_pods_of_the_same_or_a_lower_priority_alone() -> None:
    made = nominator("n1", "n2")
    made.nominate(info("a", 5), "n1")
    made.nominate(info("b", 7), "n2")
    names = made._nodes.row_of
    for priority, wanted in ((4, {"n1", "n2"}), (5, {"n1", "n2"}), (6, {"n2"}), (8, set())):
        assert {name for name, row in names.items() if row in made.rows(info("x", priority))} == wanted
    assert set(made.rows(info("a", 5)).tolist()) == {names["n2"]}  # a pod does not stand in its own way


def test_sums_follow_nodes_that_come_and_go() -> None:
    made = nominator("n1")
    nodes = made._nodes
    made.nominate(info("a"), "n1")
    made.nominate(info("b"), "later")
    assert len(made.rows(info("x"))) == 1
    nodes.set_node(node("later"))
    assert len(made.rows(info("x"))) == 2
    nodes.remove_node("n1")
    rows = made.rows(info("x"))
    assert rows.tolist() == [nodes.row_of["later"]]
    usage = nodes.usage.at(rows)
    made.charge(info("x"), usage, rows)
    assert usage.requested[0].tolist() == [1000]
    assert np.all(nodes.usage.requested[0] == 0)


def charged(made: Nominator, name: str, looking: PodInfo) -> int:
    usage = made._nodes.usage
    row = made._nodes.row_of[name]
    rows = np.array([row])
    copy = usage.at(rows)
    made.charge(looking, copy, rows)
    return int(copy.requested[usage.resources["cpu"], 0])


def test_a_nomination_just_after_a_change_of_nodes_counts_once() -> None:
    """As after a restart, when statuses tell of nominations before anything was decided."""
    cache = SchedulerCache()
    made = Nominator(cache.nodes)
    cache.set_node(node("n1"))
    made.nominate(info("a"), "n1")
    assert charged(made, "n1", info("x")) == 1000
    made.nominate(info("b"), "n1")
    cache.set_node(node("n2"))
    made.remove(info("a").uid)
    assert charged(made, "n1", info("x")) == 1000
