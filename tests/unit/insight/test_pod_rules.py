"""What is said of pods that do not run, do not start, end, or do not end."""

from typing import Any

import pytest

from unit.insight.recorded import Object, event, findings, node, obj, owned, pod, told

UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


def refused(message: str, **spec: Any) -> Object:
    return pod(status={"conditions": [{**UNSCHEDULABLE, "message": message}]}, **spec)


def waiting(
    reason: str, message: str = "", *, image: str = "x", last: Object | None = None, **more: Any
) -> Object:
    status = {
        "name": "main",
        "image": image,
        "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
        **more,
    }
    if last:
        status |= {"lastState": {"terminated": last}, "restartCount": 3}
    return pod(containers=[{"name": "main", "image": image}], status={"containerStatuses": [status]}, node="n1")  # fmt: skip


def running(**spec: Any) -> Object:
    conditions = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "m"}]
    status = {"name": "main", "ready": False, "started": True, "restartCount": 0, "state": {"running": {}}}
    return pod(
        phase="Running", node="n1", status={"conditions": conditions, "containerStatuses": [status]}, **spec
    )


def test_gates() -> None:
    found = told(pod(schedulingGates=[{"name": "example.org/budget"}]))
    assert found == ["scheduling-gates: it waits for example.org/budget: whoever set this scheduling gate has not removed it"]  # fmt: skip


def test_numbers_of_resources_count_what_other_pods_ask_for() -> None:
    asks = {
        "containers": [
            {"name": "main", "image": "x", "resources": {"requests": {"cpu": "3", "memory": "1Gi"}}}
        ]
    }
    other = pod(
        "other",
        phase="Running",
        node="n1",
        containers=[{"name": "c", "image": "x", "resources": {"requests": {"cpu": "1500m"}}}],
    )
    assert told(refused("0/1 nodes are available: 1 Insufficient cpu.", **asks), node(), other) == [
        "unschedulable: no node has enough free cpu: it asks for 3, the most that is free is 2500m on n1; it fits if it asks for at most 2500m"
    ]  # fmt: skip


def test_two_resources_that_lack_are_told_together() -> None:
    asks = {
        "containers": [
            {"name": "main", "image": "x", "resources": {"requests": {"cpu": "5", "memory": "9Gi"}}}
        ]
    }
    assert told(
        refused("0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.", **asks), node()
    ) == [
        "unschedulable: several things keep it off every node; the least that would do: it fits on n1 if its cpu request is at most 4 and its memory request is at most 8Gi",
    ]


def test_a_taint_and_a_selector_are_both_told() -> None:
    taint = {"key": "gpu", "effect": "NoSchedule"}
    message = "0/2 nodes are available: 2 node(s) had untolerated taint(s)."
    nodes = [node("n1", taints=[taint], labels={"disk": "hdd"}), node("n2", taints=[taint])]
    assert told(refused(message, nodeSelector={"disk": "ssd"}), *nodes) == [
        "unschedulable: several things keep it off every node; the least that would do: it fits on n1 if the taint gpu:NoSchedule is tolerated and the node is labelled disk=ssd",
    ]
    (one,) = findings(refused(message), *nodes)
    assert one.commands == ("kubectl taint nodes n1 gpu:NoSchedule-", "kubectl get pod web -n shop -o yaml > YOUR_FILE", "kubectl replace --force -f YOUR_FILE")  # fmt: skip


def test_cordoned_and_not_ready_nodes() -> None:
    unready = node("n1", taints=[{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}])
    cordoned = {**node("n2"), "spec": {"unschedulable": True}}
    assert told(refused("0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."), unready, cordoned) == [
        "unschedulable: node n1 is not ready (taint node.kubernetes.io/unreachable:NoSchedule)", "unschedulable: node n2 is cordoned",
    ]  # fmt: skip


@pytest.mark.parametrize(("message", "cause"), [
    ("1 node(s) didn't have free ports for the requested pod ports.", "a host port that the pod wants is taken"),
    ("1 node(s) didn't match pod topology spread constraints.", "spec.topologySpreadConstraints would be violated"),
    ("1 node(s) didn't match pod anti-affinity rules.", "spec.affinity.podAntiAffinity keeps it away"),
    ("1 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).", "a claim of it is bound to a volume that is gone"),
])  # fmt: skip
def test_other_refusals(message: str, cause: str) -> None:
    (one,) = told(refused(f"0/1 nodes are available: {message}"), node())
    assert cause in one


def test_no_node_at_all_and_words_that_no_rule_knows() -> None:
    assert told(refused("no nodes available to schedule pods")) == ["unschedulable: the cluster has no node"]
    assert told(refused("0/1 nodes are available: 1 the moon is wrong."), node()) == [
        "unschedulable: it cannot be scheduled: 0/1 nodes are available: 1 the moon is wrong."
    ]


def test_numbers_need_rights_to_see_nodes() -> None:
    asks = {"containers": [{"name": "main", "image": "x", "resources": {"requests": {"cpu": "5"}}}]}
    message = "0/1 nodes are available: 1 Insufficient cpu."
    assert told(refused(message, **asks), node(), forbidden=("nodes",)) == [
        f"unschedulable: it cannot be scheduled: {message}"
    ]


def test_what_is_free_needs_rights_to_see_all_pods() -> None:
    asks = {"containers": [{"name": "main", "image": "x", "resources": {"requests": {"cpu": "3"}}}]}
    web = refused("0/1 nodes are available: 1 Insufficient cpu.", **asks)
    assert told(web, node(), forbidden=("pods",)) == [
        "unschedulable: no node has enough free cpu: it asks for 3, nodes have up to 4, what other pods ask for may not be read"
    ]


def test_a_scheduler_that_does_not_run() -> None:
    assert told(pod(schedulerName="mine")) == [
        "no-scheduler: no scheduler has looked at it: it asks for mine, which seems not to run"
    ]
    assert told(pod()) == ["no-scheduler: no scheduler has looked at it: none runs, or it is behind"]


@pytest.mark.parametrize(("image", "reason", "message", "cause"), [
    ("nginx:1.255", "ImagePullBackOff", 'failed to resolve reference "docker.io/library/nginx:1.255": docker.io/library/nginx:1.255: not found',
     'there is no image nginx:1.255: registry docker.io has no tag "1.255" of nginx, or no such repository'),
    ("r.example:5000/a/b", "ErrImagePull", "dial tcp 10.0.0.1:5000: connect: connection refused", "the registry r.example:5000 cannot be reached from the node"),
    ("r.example/a", "ErrImagePull", "lookup r.example: no such host", "the registry r.example cannot be reached from the node"),
    ("r.example/a", "ErrImagePull", "unexpected status: 401 Unauthorized", "registry r.example refuses to give out a: no login is given, or there is no such repository"),
    ("r.example/a", "ErrImagePull", "http: server gave HTTP response to HTTPS client",
     "the registry r.example does not speak TLS as the node expects: its certificate is not trusted, or it speaks plain HTTP"),
    ("Nginx", "InvalidImageName", "couldn't parse image name", '"Nginx" (container main) is not the name of an image'),
    ("own:1", "ErrImageNeverPull", "m", "image own:1 is not on the node, and imagePullPolicy: Never forbids to fetch it"),
    ("own:1", "ErrImagePull", "no space left on device", "image own:1 of container main cannot be had (ErrImagePull)"),
])  # fmt: skip
def test_images(image: str, reason: str, message: str, cause: str) -> None:
    assert told(waiting(reason, message, image=image), node()) == [f"image: {cause}"]


def test_a_back_off_whose_reason_only_the_event_tells() -> None:
    web = waiting("ImagePullBackOff", 'Back-off pulling image "r.example/a:1"', image="r.example/a:1")
    seen = event(web, "Failed", 'Failed to pull image "r.example/a:1": pull access denied')
    assert "refuses to give out a" in told(web, seen, node())[0]


def test_objects_and_keys_that_are_not_there() -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "b"}}},
           {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}]  # fmt: skip
    web = pod(node="n1", containers=[{"name": "main", "image": "x", "env": env}],
              volumes=[{"name": "tls", "secret": {"secretName": "cert"}}, {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])  # fmt: skip
    config = obj("ConfigMap", "cfg", data={"a": "1"})
    assert told(web, config, node()) == [
        'references: ConfigMap cfg has no key "b"; it has: a', "references: Secret cert, which it needs, is not there",
        "claim-missing: PersistentVolumeClaim data, which it needs, is not there",
    ]  # fmt: skip


def test_what_may_not_be_read_is_not_called_missing() -> None:
    web = pod(node="n1", volumes=[{"name": "tls", "secret": {"secretName": "cert"}}])
    assert told(web, node(), forbidden=("secrets",)) == []


def test_a_service_account_that_is_gone() -> None:
    assert told(pod(node="n1", serviceAccountName="bot"), node()) == [
        "service-account: its service account bot is gone"
    ]


def test_containers_that_cannot_be_made() -> None:
    text = "container has runAsNonRoot and image will run as root"
    assert "must not run as root" in told(waiting("CreateContainerConfigError", text), node())[0]
    text = 'exec: "serve": executable file not found in $PATH'
    assert told(waiting("RunContainerError", text), node())[0].startswith(
        "container-config: the command of container main is not in its image"
    )


def test_mounts() -> None:
    web = pod(node="n1")
    seen = event(
        web, "FailedMount", 'MountVolume.SetUp failed for volume "nfs": mount failed: exit status 32'
    )
    assert told(web, seen, node()) == ["mounts: a volume cannot be mounted: " + seen["message"]]


@pytest.mark.parametrize(("ended", "cause"), [
    ({"exitCode": 1, "reason": "Error"}, "ends with exit code 1: its own error"),
    ({"exitCode": 127, "reason": "Error"}, "ends with exit code 127: its command, or one that it calls, is not in the image"),
    ({"exitCode": 139, "reason": "Error"}, "ends with exit code 139: it got SIGSEGV (it used memory that is not its own: an error of the program)"),
    ({"exitCode": 128, "reason": "StartError"}, "cannot be started: its command is not in the image, or cannot be executed"),
    ({"exitCode": 137, "reason": "ContainerStatusUnknown"}, "was lost: its node does not know how it ended (it was restarted, or the runtime lost it)"),
    ({"exitCode": 0, "reason": "Completed"}, "ends by itself with exit code 0, but restartPolicy: Always wants it to keep running"),
    ({"exitCode": 137, "reason": "OOMKilled"}, "used more memory than it may have (it has no limit of its own: the node ran out of memory)"),
])  # fmt: skip
def test_crashes(ended: Object, cause: str) -> None:
    web = waiting("CrashLoopBackOff", "back-off 40s", last=ended)
    assert told(web, node()) == [f"crash: container main {cause}; it was restarted 3 times"]


def test_a_crash_shows_the_last_lines_of_the_log() -> None:
    web = waiting("CrashLoopBackOff", "back-off 40s", last={"exitCode": 1, "reason": "Error"})
    (one,) = findings(web, node(), logs={"main": ["starting", "no database"]})
    assert [seen.text for seen in one.evidence if seen.where == "log of main"] == ["starting", "no database"]
    assert one.commands == ("kubectl logs web -c main --previous -n shop",)


def test_a_liveness_probe_that_kills() -> None:
    web = waiting("CrashLoopBackOff", "back-off 40s", last={"exitCode": 137, "reason": "Error"})
    killing = event(web, "Killing", "Container main failed liveness probe, will be restarted", "Normal")
    unhealthy = event(web, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")
    (one,) = findings(web, killing, unhealthy, node())
    assert one.cause == "container main is killed because its liveness probe fails; it was restarted 3 times"
    assert any("statuscode: 500" in seen.text for seen in one.evidence)


def test_a_pod_that_ran_to_its_end_is_well() -> None:
    done = {
        "name": "main",
        "restartCount": 0,
        "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
    }
    assert (
        told(pod(phase="Succeeded", node="n1", restartPolicy="Never", status={"containerStatuses": [done]}))
        == []
    )


def test_probes_and_gates_of_readiness() -> None:
    probe = {"httpGet": {"path": "/ready", "port": 80}}
    web = running(
        containers=[{"name": "main", "image": "x", "readinessProbe": probe}],
        readinessGates=[{"conditionType": "lb"}],
    )
    seen = event(web, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
    assert told(web, seen, node()) == [
        "not-ready: container main runs, but its readiness probe (GET http://:80/ready) does not succeed: "
        + seen["message"],
        "not-ready: it waits for the readiness gate lb: whoever watches over it has not set this condition to True",
    ]


def test_an_init_container_that_does_not_end() -> None:
    status = {"name": "wait", "state": {"running": {}}}
    web = pod(
        node="n1", initContainers=[{"name": "wait", "image": "x"}], status={"initContainerStatuses": [status]}
    )
    assert told(web, node()) == [
        "init-container: init container wait still runs; the others start when it has ended"
    ]
    sidecar = pod(
        node="n1",
        initContainers=[{"name": "wait", "image": "x", "restartPolicy": "Always"}],
        status={"initContainerStatuses": [status]},
    )
    assert told(sidecar, node()) == []


@pytest.mark.parametrize(("reason", "cause"), [
    ("Evicted", "its node ran short of something and evicted it: m"), ("OutOfcpu", "its node had no cpu left for it when it arrived: m"),
    ("Strange", "its node refused it (Strange): m"),
])  # fmt: skip
def test_failed_as_a_whole(reason: str, cause: str) -> None:
    assert told(pod(phase="Failed", node="n1", status={"reason": reason, "message": "m"})) == [
        f"pod-failed: {cause}"
    ]


def test_pods_that_do_not_go() -> None:
    late = {"deletionTimestamp": "2026-01-01T11:58:00Z"}
    assert told(pod(phase="Running", node="gone", metadata=late)) == [
        "pod-terminating: it cannot end: its node gone is gone"
    ]
    assert told(pod(phase="Running", node="n1", metadata=late), node()) == [
        "pod-terminating: it should have ended 120 s ago, but the node has not said that its containers are gone"
    ]
    held = told(pod(phase="Running", node="n1", metadata={**late, "finalizers": ["x/y"]}), node())
    assert held[0].startswith("finalizers: it cannot go: x/y holds it")
    soon = {"deletionTimestamp": "2026-01-01T12:00:20Z", "deletionGracePeriodSeconds": 30}
    (one,) = findings(pod(phase="Running", node="n1", metadata=soon), node())
    assert (one.rank, one.cause) == (20, "it is being deleted, and has 20 s of its grace of 30 s left")


def test_pods_that_are_alike_are_told_once() -> None:
    owner = obj("ReplicaSet", "web", spec={"replicas": 3}, status={"replicas": 3, "observedGeneration": 1})
    copies = [
        owned(
            {**waiting("ErrImageNeverPull"), "metadata": {"name": name, "namespace": "shop", "uid": name}},
            owner,
        )
        for name in ("web-a", "web-b", "web-c")
    ]
    assert told(owner, *copies, node()) == [
        "image: image x is not on the node, and imagePullPolicy: Never forbids to fetch it (and 2 more alike: web-b, web-c)",
        "short-of-pods: 0 of 3 pods are available",
    ]


def test_a_container_that_runs_between_two_crashes() -> None:
    ended = {"exitCode": 3, "reason": "Error", "finishedAt": "2026-01-01T11:59:50Z"}
    status = {
        "name": "main",
        "ready": True,
        "restartCount": 4,
        "state": {"running": {}},
        "lastState": {"terminated": ended},
    }
    conditions = [{"type": "Ready", "status": "True"}]
    web = pod(phase="Running", node="n1", status={"conditions": conditions, "containerStatuses": [status]})
    assert told(web) == [
        "crash: container main ends with exit code 3: its own error; it was restarted 4 times"
    ]
    owner = obj("ReplicaSet", "web", spec={"replicas": 1}, status={"replicas": 1, "availableReplicas": 1})
    assert told(owner, owned(web, owner)) == told(web)
    ended["finishedAt"] = "2026-01-01T09:00:00Z"
    assert told(web) == []
