"""KWOK's Stages on simulated nodes: users say what becomes of pods and nodes."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest_asyncio
import yaml

from pinnace.api.core import nodes, pods
from pinnace.api.resources import EVENTS, NODES, PODS
from pinnace.kubelet.simulated.stage_definition import STAGES
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]

RUNS = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-runs}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.podIP, operator: DoesNotExist}
  delay: {durationMilliseconds: 5000, durationFrom: {expressionFrom: '.metadata.annotations["example.com/delay"]'}}
  next:
    event: {type: Normal, reason: Created, message: all containers}
    statusTemplate: |
      {{ $now := Now }}
      phase: Running
      startTime: {{ $now | Quote }}
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) | Quote }}
      podIPs: [{ip: {{ PodIP | Quote }}}]
      conditions:
      {{ range list "Initialized" "Ready" "ContainersReady" }}
      - {type: {{ . }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        imageID: ""
        ready: true
        restartCount: 0
        state: {running: {startedAt: {{ $now | Quote }}}}
      {{ end }}
"""

FAILS = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-fails}
spec:
  resourceRef: {kind: Pod}
  selector:
    matchLabels: {fate: bad}
    matchExpressions:
    - {key: '.status.conditions.[] | select(.type == "Ready") | .status', operator: In, values: ["True"]}
  delay: {durationMilliseconds: 10000, jitterDurationMilliseconds: 20000}
  next:
    patches:
    - subresource: status
      root: status
      type: merge
      template: |
        {"phase": "Failed", "reason": "Chaos"}
"""

GOES = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-goes}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {expression: "has(self.metadata.deletionTimestamp)"}
  next: {finalizers: {empty: true}, delete: true}
"""


def stage(text: str, **spec: Any) -> Object:
    obj: Object = yaml.safe_load(text)
    obj["spec"] |= spec
    return obj


def pod(name: str = "p", *, labels: dict[str, str] | None = None, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}, **metadata},
            "spec": {"containers": [{"name": "main", "image": "x"}]}}  # fmt: skip


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[SimulatedCluster, None]:
    async with SimulatedCluster(tmp_path / "pki", stages=True) as cluster:
        yield cluster


async def bring(cluster: SimulatedCluster, *stages: Object) -> None:
    for one in stages:
        await cluster.client.create(STAGES, one)
    await cluster.settle()


async def accepted(cluster: SimulatedCluster, name: str) -> Object:
    found = await cluster.until(lambda: condition(cluster, name), within=10)
    assert isinstance(found, dict)
    return found


async def condition(cluster: SimulatedCluster, name: str) -> Object | None:
    obj = await cluster.client.get(STAGES, name)
    return next(iter((obj.get("status") or {}).get("conditions") or ()), None)


async def phase_is(cluster: SimulatedCluster, name: str, wanted: str) -> bool:
    return pods.phase(await cluster.get(PODS, name)) == wanted


async def test_stages_take_the_place_of_the_built_in_behaviour(cluster: SimulatedCluster) -> None:
    await bring(cluster, stage(RUNS), stage(FAILS), stage(GOES))
    assert (await accepted(cluster, "pod-runs"))["status"] == "True"
    held = pod("good", finalizers=["example.com/hold"])
    slow = pod("slow", annotations={"example.com/delay": "1m"})
    for one in (held, slow, pod("bad", labels={"fate": "bad"})):
        await cluster.create(one)
    await cluster.holds(lambda: phase_is(cluster, "good", "Pending"), seconds=4)
    await cluster.until(lambda: phase_is(cluster, "good", "Running"), within=2)
    running = await cluster.get(PODS, "good")
    assert pods.is_ready(running)
    assert running["status"]["hostIP"].startswith("192.168.0.")
    assert pods.get_condition(running, "PodScheduled")  # merged, not replaced
    assert running["status"]["podIPs"] == [{"ip": running["status"]["podIP"]}]
    await cluster.holds(lambda: phase_is(cluster, "bad", "Running"), seconds=9)
    await cluster.until(lambda: phase_is(cluster, "bad", "Failed"), within=12)
    assert (await cluster.get(PODS, "bad"))["status"]["reason"] == "Chaos"
    assert await phase_is(cluster, "slow", "Pending")
    await cluster.until(lambda: phase_is(cluster, "slow", "Running"), within=60)
    await cluster.client.delete(PODS, "good", "default")
    await cluster.until(lambda: cluster.is_gone(PODS, "good"), within=1)
    told = [
        e
        for e in await cluster.list(EVENTS)
        if e["involvedObject"]["name"] == "good" and e["reason"] == "Created"
    ]
    assert [e["message"] for e in told] == ["all containers"]


async def test_without_stages_everything_is_as_before(cluster: SimulatedCluster) -> None:
    await bring(cluster, stage(RUNS))
    await cluster.create(pod("first"))
    await cluster.holds(lambda: phase_is(cluster, "first", "Pending"), seconds=4)
    await cluster.client.delete(STAGES, "pod-runs")
    await cluster.until(lambda: phase_is(cluster, "first", "Running"), within=0.5)


async def test_weights_decide(cluster: SimulatedCluster) -> None:
    never = stage(
        FAILS, weight=0, selector={"matchExpressions": stage(RUNS)["spec"]["selector"]["matchExpressions"]}
    )
    await bring(cluster, stage(RUNS, weight=1), never)
    for number in range(20):
        await cluster.create(pod(f"p{number}"))
    await cluster.advance(30)
    assert {pods.phase(p) for p in await cluster.list(PODS)} == {"Running"}


async def test_stages_follow_each_other_at_once(cluster: SimulatedCluster) -> None:
    first = stage(RUNS, immediateNextStage=True, delay={})
    await bring(cluster, first, stage(FAILS, delay={}))
    await cluster.create(pod(labels={"fate": "bad"}))
    await cluster.until(lambda: phase_is(cluster, "p", "Failed"), within=0.5)


async def test_what_is_not_understood_says_so(cluster: SimulatedCluster) -> None:
    expressions = [{"key": "reduce .items[] as $x (0; . + 1)", "operator": "Exists"}]
    jq = stage(FAILS, selector={"matchExpressions": expressions})
    template = stage(RUNS, next={"statusTemplate": "{{ Nonsense }}"})
    other = stage(GOES, resourceRef={"apiGroup": "apps/v1", "kind": "Deployment"})
    await bring(cluster, jq, template, other)
    for name, part in (
        ("pod-fails", "spec.selector.matchExpressions[0].key: 'reduce' is not known here"),
        ("pod-runs", 'spec.next.statusTemplate: function "Nonsense" not defined'),
        ("pod-goes", "only v1 Pod and v1 Node are simulated here"),
    ):
        verdict = await accepted(cluster, name)
        assert (verdict["status"], verdict["reason"]) == ("False", "NotSupported")
        assert part in verdict["message"]
    await cluster.create(pod())
    await cluster.until(
        lambda: phase_is(cluster, "p", "Running"), within=1
    )  # no stage is left, so the built-in way
    await bring(
        cluster,
        stage(RUNS, next={"statusTemplate": "{{ index .spec.none 1 }}"}, selector={})
        | {"metadata": {"name": "late"}},
    )
    await cluster.until(lambda: failed(cluster), within=10)


async def failed(cluster: SimulatedCluster) -> bool:
    return any(
        e["reason"] == "StageFailed" and "index of untyped nil" in e["message"]
        for e in await cluster.list(EVENTS)
    )


async def test_nodes_have_stages_too(cluster: SimulatedCluster) -> None:
    lost = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": "node-lost"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Node"},
            "selector": {"matchLabels": {"chaos": "true"}},
            "delay": {"durationMilliseconds": 1000},
            "next": {"statusTemplate": 'conditions:\n- {type: Ready, status: "False", reason: Chaos, message: "", '
                                       'lastTransitionTime: {{ Now | Quote }}, lastHeartbeatTime: {{ Now | Quote }}}'},
        },
    }  # fmt: skip
    await bring(cluster, lost)
    await cluster.client.patch(NODES, "sim-1", {"metadata": {"labels": {"chaos": "true"}}})
    await cluster.until(lambda: is_unready(cluster, "sim-1"), within=3)
    assert nodes.is_ready(await cluster.get(NODES, "sim-0"))


async def is_unready(cluster: SimulatedCluster, name: str) -> bool:
    node = await cluster.get(NODES, name)
    return not nodes.is_ready(node) and len(node["status"]["conditions"]) >= 4


async def test_the_stage_of_the_manual_is_understood_and_played(cluster: SimulatedCluster) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "simulated.md").read_text()
    text = page.partition("<!-- stage: begin -->")[2].partition("<!-- stage: end -->")[0]
    await bring(
        cluster, stage(RUNS), yaml.safe_load(text.strip().removeprefix("```yaml").removesuffix("```"))
    )
    assert (await accepted(cluster, "pod-breaks"))["status"] == "True"
    await cluster.create(pod(labels={"fragile": "true"}))
    await cluster.until(lambda: phase_is(cluster, "p", "Failed"), within=70)
    broken = await cluster.get(PODS, "p")
    assert (broken["status"]["reason"], broken["status"]["containerStatuses"][0]["ready"]) == (
        "Broken",
        False,
    )


async def test_nodes_that_carry_kwoks_annotation_are_adopted(cluster: SimulatedCluster) -> None:
    node: Object = {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "mine", "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {"disk": "fast"}},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "5"},
                   "addresses": [{"type": "InternalIP", "address": "10.9.8.7"}]},
    }  # fmt: skip
    await cluster.create(node)
    plain = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"}}
    await cluster.create(plain)

    async def is_ready() -> bool:
        return nodes.is_ready(await cluster.get(NODES, "mine"))

    await cluster.until(is_ready, within=5)
    found = await cluster.get(NODES, "mine")
    assert found["status"]["allocatable"]["pods"] == "5"
    await cluster.create(
        pod() | {"spec": {"containers": [{"name": "c", "image": "x"}], "nodeSelector": {"disk": "fast"}}}
    )
    await cluster.until(lambda: phase_is(cluster, "p", "Running"), within=10)
    assert (await cluster.get(PODS, "p"))["status"]["hostIP"] == "10.9.8.7"
    await cluster.holds(is_ready, seconds=300)  # its lease is renewed
    assert await is_unready(cluster, "other")
    await cluster.client.delete(NODES, "mine")
    await cluster.until(lambda: cluster.is_gone(PODS, "p"), within=200)
    assert "mine" not in cluster.nodes.names
