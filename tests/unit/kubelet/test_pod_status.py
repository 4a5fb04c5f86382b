from typing import Any

from pinnace.api.meta import Object
from pinnace.kubelet.container_states import Observed, Waiting
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.pod_status import StatusInputs, pod_status, same_but_for_times
from pinnace.kubelet.status_writer import patch_of
from unit.kubelet.runtime_builders import exited, init, make_pod, ran, sandbox, seen

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"


def status_of(pod: Object, runtime: PodRuntime, now: str = NOW, **observed: Any) -> dict[str, Any]:
    failed = observed.pop("failed", None)
    return pod_status(pod, runtime, StatusInputs(now, ("192.0.2.1",), Observed(**observed), failed))


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in status["conditions"] if one["type"] == kind)


def test_a_pod_that_has_just_arrived() -> None:
    status = status_of(make_pod(), seen(boxes=()))
    assert status["phase"] == "Pending"
    assert status["startTime"] == NOW
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert condition(status, "PodScheduled")["status"] == "True"
    assert condition(status, "PodReadyToStartContainers")["status"] == "False"
    ready = condition(status, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ContainersNotReady")
    assert ready["message"] == "containers with unready status: [c]"
    assert "podIP" not in status


def test_a_running_pod() -> None:
    status = status_of(make_pod(), seen(ran()))
    assert status["phase"] == "Running"
    assert status["podIPs"] == [{"ip": "10.0.0.5"}]
    assert status["hostIPs"] == [{"ip": "192.0.2.1"}]
    entry = status["containerStatuses"][0]
    assert (entry["ready"], entry["started"], entry["containerID"]) == (True, True, "containerd://c-0")
    assert condition(status, "Ready")["status"] == "True"


def test_probes_hold_readiness_back() -> None:
    status = status_of(make_pod(), seen(ran()), unready=frozenset({"c-0"}))
    assert not status["containerStatuses"][0]["ready"]
    status = status_of(make_pod(), seen(ran()), unstarted=frozenset({"c-0"}))
    assert not status["containerStatuses"][0]["started"]
    assert condition(status, "ContainersReady")["status"] == "False"


def test_a_crash_loop_shows_why_it_waits_and_how_it_ended() -> None:
    status = status_of(
        make_pod(), seen(exited(code=1, attempt=3)), waiting={"c": Waiting("CrashLoopBackOff", "back-off")}
    )
    entry = status["containerStatuses"][0]
    assert entry["state"]["waiting"] == {"reason": "CrashLoopBackOff", "message": "back-off"}
    assert entry["lastState"]["terminated"]["exitCode"] == 1
    assert entry["restartCount"] == 3
    assert status["phase"] == "Running"


def test_the_previous_end_is_the_last_state() -> None:
    entry = status_of(make_pod(), seen(exited(code=2), ran(attempt=1)))["containerStatuses"][0]
    assert "running" in entry["state"]
    assert entry["lastState"]["terminated"]["exitCode"] == 2
    assert entry["restartCount"] == 1


def test_final_phases() -> None:
    def phase(policy: str, *codes: int) -> str:
        pod = make_pod(*(f"c{i}" for i in range(len(codes))), restartPolicy=policy)
        return status_of(pod, seen(*(exited(f"c{i}", code) for i, code in enumerate(codes))))["phase"]

    assert phase("Never", 0, 0) == "Succeeded"
    assert phase("Never", 0, 1) == "Failed"
    assert phase("OnFailure", 0) == "Succeeded"
    assert phase("OnFailure", 1) == "Running"
    assert phase("Always", 0) == "Running"


def test_the_phase_goes_by_what_containers_say_of_their_restarts() -> None:
    def phase(policy: str, own: dict[str, Any], code: int, kind: str = "containers") -> str:
        made = make_pod(
            restartPolicy=policy, **({"initContainers": [init("one", **own)]} if kind != "containers" else {})
        )
        if kind == "containers":
            made["spec"]["containers"][0].update(own)
        return status_of(made, seen(exited("c" if kind == "containers" else "one", code)))["phase"]

    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    ruled = {"restartPolicy": "Never", "restartPolicyRules": rules}
    assert [phase("Never", ruled, code) for code in (42, 1, 0)] == ["Running", "Failed", "Succeeded"]
    assert [phase("Always", {"restartPolicy": "Never"}, code) for code in (1, 0)] == ["Failed", "Succeeded"]
    assert phase("Never", {"restartPolicy": "OnFailure"}, 1) == "Running"
    assert [phase("Never", ruled, code, "initContainers") for code in (42, 1)] == ["Pending", "Failed"]


def test_a_deleted_pod_has_succeeded_or_failed() -> None:
    pod = make_pod()
    assert status_of(pod, seen(exited(code=0)), is_ending=True, has_ended=True)["phase"] == "Succeeded"
    assert status_of(pod, seen(exited(code=137)), is_ending=True, has_ended=True)["phase"] == "Failed"


def test_no_final_phase_while_a_sidecar_runs() -> None:
    pod = make_pod(initContainers=[init("side", restartPolicy="Always")], restartPolicy="Never")
    assert status_of(pod, seen(ran("side"), exited("c")))["phase"] == "Running"
    assert status_of(pod, seen(exited("side", 137), exited("c")))["phase"] == "Succeeded"


def test_init_containers_hold_the_pod_pending() -> None:
    pod = make_pod(initContainers=[init("one"), init("two")])
    status = status_of(pod, seen(exited("one"), ran("two")))
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    initialized = condition(status, "Initialized")
    assert initialized["reason"] == "ContainersNotInitialized"
    assert initialized["message"] == "containers with incomplete status: [two]"
    assert status["initContainerStatuses"][0]["ready"]


def test_readiness_gates() -> None:
    pod = make_pod(readinessGates=[{"conditionType": "gate"}])
    ready = condition(status_of(pod, seen(ran())), "Ready")
    assert ready["reason"] == "ReadinessGatesNotReady"
    assert ready["message"] == 'corresponding condition of pod readiness gate "gate" does not exist.'
    pod["status"] = {"conditions": [{"type": "gate", "status": "True"}]}
    status = status_of(pod, seen(ran()))
    assert condition(status, "Ready")["status"] == "True"
    assert condition(status, "gate")["status"] == "True"


def test_transition_times_stay_while_the_status_does() -> None:
    pod = make_pod()
    pod["status"] = status_of(pod, seen(ran()))
    later = status_of(pod, seen(ran()), now=LATER)
    assert condition(later, "Ready")["lastTransitionTime"] == NOW
    assert same_but_for_times(pod["status"], later)
    unready = status_of(pod, seen(ran()), now=LATER, unready=frozenset({"c-0"}))
    assert condition(unready, "Ready")["lastTransitionTime"] == LATER


def test_what_the_kubelet_fails_has_a_reason() -> None:
    evicted = ("Evicted", "low on memory")
    status = status_of(make_pod(), seen(ran()), failed=evicted)
    assert status["phase"] == "Running"
    assert "reason" not in status
    status = status_of(make_pod(), seen(exited(code=137)), failed=evicted)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", "low on memory")


def test_a_pod_turned_away_has_no_containers_that_seem_to_wait() -> None:
    status = status_of(make_pod(), seen(boxes=()), failed=("OutOfcpu", "Pod was rejected: no cpu"))
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
    assert "containerStatuses" not in status


def test_a_container_that_vanished_is_unknown() -> None:
    pod = make_pod(restartPolicy="Never")
    pod["status"] = status_of(pod, seen(ran()))
    entry = status_of(pod, seen(boxes=(sandbox(ready=False),)))["containerStatuses"][0]
    assert entry["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert entry["state"]["terminated"]["exitCode"] == 137


def test_a_patch_holds_only_what_changed() -> None:
    pod = make_pod()
    old = status_of(pod, seen())
    pod["status"] = old
    patch = patch_of(old, status_of(pod, seen(ran()), now=LATER))
    assert set(patch) == {"phase", "containerStatuses", "conditions"}
    ready = next(one for one in patch["conditions"] if one["type"] == "Ready")
    assert ready["reason"] is None
    assert {one["type"] for one in patch["conditions"]} == {"Ready", "ContainersReady"}
