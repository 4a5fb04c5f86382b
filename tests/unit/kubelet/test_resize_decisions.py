"""Decisions of resizing in place, without a node."""

import itertools
from decimal import Decimal
from pathlib import Path

from pinnace.api.meta import Object
from pinnace.kubelet import allocation, pod_actions
from pinnace.kubelet import resize_decisions as decisions
from pinnace.kubelet.allocation import Allocation
from pinnace.kubelet.resources import NodeRules
from unit.kubelet.runtime_builders import init, make_pod, ran, seen

ROOM = {"cpu": Decimal(4), "memory": Decimal(8 * 1024**3), "pods": Decimal(10)}


def sized(cpu: str, limit: str = "", name: str = "c", **fields: object) -> Object:
    resources: Object = {"requests": {"cpu": cpu}}
    if limit:
        resources["limits"] = {"memory": limit}
        resources["requests"]["memory"] = limit
    return {"name": name, "image": "i", "resources": resources, **fields}


def granted(*containers: Object) -> Allocation:
    found = Allocation()
    found.grant(make_pod(*containers))
    found.in_force = dict(found.granted)
    return found


def test_what_was_granted_replaces_what_is_asked_for_until_it_fits() -> None:
    held = granted(sized("1"))
    asked = make_pod(sized("3"))
    assert not held.covers(asked)
    assert held.applied_to(asked)["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1"}
    held.grant(asked)
    assert held.applied_to(asked) is asked


def test_what_was_granted_is_read_again(tmp_path: Path) -> None:
    held = granted(sized("1"))
    allocation.save(tmp_path, held)
    assert allocation.load(tmp_path) == held
    (tmp_path / allocation.FILE).write_text("{")
    assert allocation.load(tmp_path) is None


def test_a_resize_waits_for_room_that_others_take_and_fails_for_good_beyond_the_node() -> None:
    other = make_pod(sized("2"))
    assert decisions.refusal(make_pod(sized("2")), [other], ROOM) is None
    assert decisions.refusal(make_pod(sized("3")), [other], ROOM) == (
        "Deferred",
        "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000",
    )
    assert decisions.refusal(make_pod(sized("3")), [{**other, "status": {"phase": "Failed"}}], ROOM) is None
    assert decisions.refusal(make_pod(sized("1", "9Gi")), [], ROOM) == (
        "Infeasible",
        "Node didn't have enough capacity: memory, requested: 9663676416, capacity: 8589934592",
    )


def test_static_pods_are_never_resized() -> None:
    pod = make_pod(sized("1"))
    pod["metadata"]["annotations"] = {"kubernetes.io/config.source": "file"}
    found = decisions.refusal(pod, [], ROOM)
    assert found == ("Infeasible", "In-place resize of static-pods is not supported")


def test_waiting_resizes_are_ordered_by_growth_priority_class_and_time() -> None:
    held = granted(sized("2"))

    def key(cpu: str, priority: int = 0, since: str = "", limit: str = "") -> tuple[bool, int, bool, str]:
        held.pending = {"lastTransitionTime": since}
        container = sized(cpu, limit)
        if limit:
            container["resources"]["limits"]["cpu"] = cpu
        return decisions.order(make_pod(container, priority=priority), held)

    in_order = [
        key("1", since="2026-01-09T00:00:00Z"),
        key("3", priority=5, since="2026-01-09T00:00:00Z"),
        key("3", since="2026-01-09T00:00:00Z", limit="1Gi"),
        key("3", since="2026-01-01T00:00:00Z"),
        key("3", since="2026-01-02T00:00:00Z"),
        key("3"),
    ]
    assert all(first < second for first, second in itertools.pairwise(in_order))


def change(before: Object, after: Object) -> decisions.Change:
    return decisions.Change(after, before["resources"], after["resources"])


def test_a_container_restarts_only_for_resources_whose_policy_says_so() -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    assert not change(sized("1", "1Gi"), sized("2", "1Gi", resizePolicy=policy)).needs_restart
    assert change(sized("1", "1Gi"), sized("1", "2Gi", resizePolicy=policy)).needs_restart
    requested = {"name": "c", "resources": {"requests": {"memory": "1Gi"}}, "resizePolicy": policy}
    more = {**requested, "resources": {"requests": {"memory": "2Gi"}}}
    assert not change(requested, more).needs_restart


def test_limits_that_appear_go_down_from_none() -> None:
    assert change(sized("1"), sized("1", "1Gi")).step("memory") == -1
    assert change(sized("1", "1Gi"), sized("1", "2Gi")).step("memory") == 1
    assert change(sized("1"), sized("2")).step("cpu") == 1


def test_one_resource_at_a_time() -> None:
    both = change(sized("1", "1Gi"), sized("2", "2Gi"))
    first = both.with_only("memory", both.before)["resources"]
    assert first == {"limits": {"memory": "2Gi"}, "requests": {"cpu": "1", "memory": "2Gi"}}
    assert both.with_only("cpu", first)["resources"] == both.after


def test_words_of_events_and_errors() -> None:
    pod = make_pod(sized("0.5", "1024Mi"), initContainers=[init("i")])
    assert decisions.message("started", pod, 3) == (
        'Pod resize started: {"initContainers":[{"name":"i","resources":{}}],"containers":[{"name":"c","resources":'
        '{"limits":{"memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}}}],"generation":3}'
    )
    assert decisions.below_usage([("pod", 10, 5)]) == ""
    one = "attempting to set pod memory limit (10) below current usage (20)"
    assert decisions.below_usage([("pod", 10, 20)]) == f"cannot decrease memory limits: {one}"
    two = 'attempting to set container "c" memory limit (10) below current usage (15)'
    both = decisions.below_usage([("pod", 10, 20), ('container "c"', 10, 15)])
    assert both == f"cannot decrease memory limits: [{one}, {two}]"


def test_containers_that_restart_for_their_size_do_so_whatever_their_restart_policy() -> None:
    pod = make_pod("c", "d", restartPolicy="OnFailure")
    actions = pod_actions.compute(pod, seen(ran("c"), ran("d")), to_resize=frozenset({"c"}))
    assert [one.message for one in actions.kill] == ["Container c resize requires restart"]
    assert [one["name"] for one in actions.start] == ["c"]
    assert not actions.kill_pod


def test_what_may_swap_is_not_resized_while_it_runs() -> None:
    rules = NodeRules(counts_swap=True, is_v2=True, swap_behavior="LimitedSwap", swap_bytes=1)

    def asking(memory: str, **fields: object) -> Object:
        return {"name": "c", "image": "i", "resources": {"requests": {"memory": memory}}, **fields}

    held = granted(asking("1Gi"))
    refused = ("Infeasible", "In-place resize of containers with swap is not supported.")
    assert decisions.swap_refusal(make_pod(asking("2Gi")), held, rules) == refused
    assert decisions.swap_refusal(make_pod(asking("1Gi")), held, rules) is None
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    assert decisions.swap_refusal(make_pod(asking("2Gi", resizePolicy=policy)), held, rules) is None
    assert decisions.swap_refusal(make_pod(asking("2Gi")), held, NodeRules()) is None
