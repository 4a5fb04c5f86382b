from typing import Any

from pinnace.kubelet.cri.runtime import ContainerState
from pinnace.kubelet.pod_actions import PodActions, StartedBy, compute
from unit.kubelet.runtime_builders import exited, init, make_pod, ran, sandbox, seen


def names(containers: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in containers]


def test_a_new_pod_gets_a_sandbox_and_its_containers() -> None:
    actions = compute(make_pod("a", "b"), seen(boxes=()))
    assert actions.create_sandbox
    assert not actions.kill_pod
    assert names(actions.start) == ["a", "b"]


def test_a_sandbox_without_address_is_replaced() -> None:
    actions = compute(make_pod(), seen(boxes=(sandbox(ips=()),)))
    assert (actions.kill_pod, actions.create_sandbox, actions.attempt) == (True, True, 1)


def test_nothing_to_do_while_all_run() -> None:
    assert compute(make_pod("a", "b"), seen(ran("a"), ran("b"))).is_nothing


def test_restart_policies() -> None:
    def started(policy: str, code: int) -> bool:
        actions = compute(make_pod("a", "b", restartPolicy=policy), seen(exited("a", code), ran("b")))
        return names(actions.start) == ["a"]

    assert started("Always", 0)
    assert started("OnFailure", 1)
    assert not started("OnFailure", 0)
    assert not started("Never", 1)


def test_a_pod_with_nothing_left_to_run_is_ended() -> None:
    actions = compute(make_pod(restartPolicy="Never"), seen(exited()))
    assert actions.kill_pod
    assert not actions.create_sandbox


def test_a_finished_pod_gets_no_new_sandbox() -> None:
    runtime = seen(exited(), boxes=(sandbox(ready=False),))
    actions = compute(make_pod(restartPolicy="OnFailure"), runtime)
    assert actions.kill_pod
    assert not actions.create_sandbox


def test_rules_by_exit_code_win_over_the_policy() -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    pod = make_pod({"name": "c", "image": "i", "restartPolicy": "Never", "restartPolicyRules": rules})
    assert names(compute(pod, seen(exited(code=42))).start) == ["c"]
    assert compute(pod, seen(exited(code=1))).kill_pod


def test_init_containers_one_after_the_other() -> None:
    pod = make_pod(initContainers=[init("one"), init("two")])
    assert names(compute(pod, seen()).start_init) == ["one"]
    assert compute(pod, seen(ran("one"))).is_nothing
    assert names(compute(pod, seen(exited("one"))).start_init) == ["two"]
    done = compute(pod, seen(exited("one"), exited("two")))
    assert names(done.start) == ["c"]


def test_a_failed_init_container_restarts_or_ends_the_pod() -> None:
    inits = [init("one")]
    assert names(compute(make_pod(initContainers=inits), seen(exited("one", 1))).start_init) == ["one"]
    assert compute(make_pod(initContainers=inits, restartPolicy="Never"), seen(exited("one", 1))).kill_pod


def test_init_containers_do_not_run_again_once_the_app_started() -> None:
    pod = make_pod(initContainers=[init("one")])
    assert compute(pod, seen(ran("c"))).is_nothing


def test_sidecars_come_first_and_are_kept_alive() -> None:
    pod = make_pod(initContainers=[init("side", restartPolicy="Always"), init("one")])
    assert names(compute(pod, seen()).start_init) == ["side"]
    waiting = StartedBy(frozenset({"side-0"}))
    assert compute(pod, seen(ran("side")), waiting).is_nothing
    assert names(compute(pod, seen(ran("side"))).start_init) == ["one"]
    again = compute(pod, seen(exited("side", 1), exited("one"), ran("c")))
    assert names(again.start_init) == ["side"]


def test_a_new_image_restarts_the_container() -> None:
    pod = make_pod({"name": "c", "image": "new"})
    actions: PodActions = compute(pod, seen(ran(image="old")))
    assert actions.kill[0].message == "Container c definition changed, will be restarted"
    assert names(actions.start) == ["c"]


def test_a_container_in_an_unknown_state_is_killed_first() -> None:
    actions = compute(make_pod(), seen(ran(state=ContainerState.UNKNOWN)))
    assert len(actions.kill) == 1
    assert names(actions.start) == ["c"]


def test_ephemeral_containers_start_once() -> None:
    pod = make_pod(ephemeralContainers=[init("debug")])
    assert names(compute(pod, seen(ran("c"))).start_ephemeral) == ["debug"]
    assert compute(pod, seen(ran("c"), exited("debug"))).is_nothing
