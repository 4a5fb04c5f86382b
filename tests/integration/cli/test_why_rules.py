"""`pinnace why`, rule by rule: each fault is made on a whole simulated cluster. docs/why.md names the test of each rule by the names in here."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.apimachinery.gvk import GVR
from pinnace.cli.cluster_reader import ClusterReader
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster
from why_scenes import (
    Asked,
    certificate,
    container,
    has_condition,
    has_event,
    named,
    pod,
    request_of,
    workload,
)

Start = Callable[..., Awaitable[tuple[SimulatedCluster, Asked]]]


@pytest_asyncio.fixture
async def start(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Start, None]:  # fmt: skip
    """A cluster with these settings, and the question about it."""
    async with AsyncExitStack() as stack:

        async def begin(**settings: Any) -> tuple[SimulatedCluster, Asked]:
            cluster = await stack.enter_async_context(SimulatedCluster(tmp_path / "pki", **settings))
            return cluster, Asked(cluster, tmp_path / "cache", capsys, monkeypatch)

        yield begin


def claim(name: str, **spec: Any) -> dict[str, Any]:
    return named(
        "PersistentVolumeClaim",
        name,
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec},
    )


def service(name: str, **spec: Any) -> dict[str, Any]:
    return named("Service", name, spec={"ports": [{"port": 80}], **spec})


async def test_pods_that_policies_and_limits_refuse(start: Start) -> None:
    cluster, asked = await start()
    group = "admissionregistration.k8s.io/v1"
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    await cluster.create(named("ValidatingAdmissionPolicy", "owned", group, spec={
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": "'team' in object.metadata.labels", "message": "say whose it is"}]}))  # fmt: skip
    await cluster.create(
        named(
            "ValidatingAdmissionPolicyBinding",
            "everywhere",
            group,
            spec={"policyName": "owned", "validationActions": ["Deny"]},
        )
    )
    await cluster.create(
        named(
            "ValidatingAdmissionPolicyBinding",
            "lost",
            group,
            spec={"policyName": "gone", "validationActions": ["Deny"]},
        )
    )
    await cluster.create(
        named(
            "ValidatingAdmissionPolicy",
            "loose",
            group,
            spec={"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}]},
        )
    )
    await cluster.create(named("MutatingAdmissionPolicy", "stamp", group, spec={
        "matchConstraints": {"resourceRules": rules}, "reinvocationPolicy": "Never", "failurePolicy": "Fail",
        "matchConditions": [{"name": "its", "expression": "object.metadata.labels['app'] == 'stamped'"}],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {
            "expression": "[JSONPatch{op: 'add', path: '/metadata/labels/a', value: object.metadata.labels['none']}]"}}]}))  # fmt: skip
    await cluster.create(
        named("MutatingAdmissionPolicyBinding", "stamps", group, spec={"policyName": "stamp"})
    )
    await cluster.create(workload(name="stamped", labels={"team": "x"}))
    await cluster.create(workload())
    await cluster.create(
        named(
            "LimitRange",
            "small",
            spec={"limits": [{"type": "Container", "max": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}}]},
        )
    )
    await cluster.create(
        workload(
            name="big",
            labels={"team": "x"},
            containers=[{**container(), "resources": {"limits": {"cpu": "4"}}}],
        )
    )
    await cluster.until(lambda: has_event(cluster, "say whose it is"))
    await cluster.until(lambda: has_event(cluster, "maximum cpu usage per Container is 1"))
    await cluster.until(lambda: has_event(cluster, "with binding 'stamps' denied request"))
    told = await asked()
    assert told.cause("creation-refused", "stamped").startswith("admission policy stamp denied its pods: ")
    assert "kubectl get mutatingadmissionpolicy stamp -o yaml" in str(told.findings)
    assert told.cause("creation-refused", "web") == "admission policy owned denied its pods: say whose it is"
    assert told.cause("creation-refused", "big").startswith(
        "a LimitRange of the namespace forbids such pods: "
    )
    assert told.cause("policy-binding", "lost") == "its policy gone is not there: it judges nothing"
    assert told.cause("admission-policy", "loose") == "no binding puts it to use"
    assert (await asked("deploy/web")).findings[0]["rule"] == "creation-refused"


async def test_a_quota_that_leaves_no_room_for_a_rollout(start: Start) -> None:
    cluster, asked = await start()
    made = workload(replicas=2)
    made["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    await cluster.create(made)
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    await cluster.create(named("ResourceQuota", "two", spec={"hard": {"pods": "2"}}))

    async def counted() -> bool:
        return bool((await cluster.get(r.RESOURCE_QUOTAS, "two")).get("status", {}).get("used"))

    await cluster.until(counted)
    await cluster.client.patch(
        r.DEPLOYMENTS, "web", {"spec": {"template": {"metadata": {"labels": {"v": "2"}}}}}, "default"
    )
    await cluster.until(lambda: has_event(cluster, "exceeded quota: two"))
    told = await asked("deploy/web")
    assert "may take no old pod away first (maxUnavailable)" in told.cause("creation-refused")
    assert told.finding("creation-refused")["commands"][0].startswith(
        "kubectl patch deployment web -n default -p "
    )
    await cluster.client.patch(
        r.DEPLOYMENTS, "web", {"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": 1}}}}, "default"
    )
    await cluster.until(lambda: cluster.is_rolled_out("web"))


async def test_an_application_that_is_forbidden_something(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is made up, since simulated pods have none; who may do what is the cluster's."""
    cluster, asked = await start()
    refusal = 'pods is forbidden: User "system:serviceaccount:default:bot" cannot list resource "pods" in API group "" in the namespace "default"'
    monkeypatch.setattr(ClusterReader, "log", lambda *_, **__: ["starting", f"E1126 failed: {refusal}"])
    await cluster.create(named("ServiceAccount", "bot"))
    await cluster.create(pod("bot", serviceAccountName="bot"))
    await cluster.until(lambda: has_condition(cluster, r.PODS, "bot", "Ready"))
    told = await asked("pod/bot")
    assert (
        told.cause("forbidden")
        == "its service account default/bot is forbidden to list pods in namespace default"
    )
    assert told.finding("forbidden")["commands"] == [
        "kubectl create rolebinding bot-list-pods --clusterrole=view --serviceaccount=default:bot -n default",
        "pinnace why can-i list pods --as system:serviceaccount:default:bot -n default",
    ]


async def test_pods_that_do_not_start(start: Start) -> None:
    cluster, asked = await start(controllers=("*", "-serviceaccount-token"))
    init = [container("setup")]
    cluster.pods.behave(
        lambda one: (
            Behaviour(containers={"setup": (Run(seconds=None),)})
            if one["metadata"]["name"] == "init"
            else Behaviour(starts_after=None)
            if one["metadata"]["name"] == "unset"
            else None
        )
    )
    await cluster.create(pod("gated", schedulingGates=[{"name": "example.org/wait"}]))
    await cluster.create(pod("lost", schedulerName="other"))
    await cluster.create(pod("init", initContainers=init))
    await cluster.create(
        pod("claimless", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "none"}}])
    )
    environment = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "b"}}}]
    await cluster.create(pod("unset", containers=[container(env=environment)]))
    await cluster.create(named("ConfigMap", "settings", data={"a": "1"}))
    await cluster.create(pod("gate", readinessGates=[{"conditionType": "example.org/lb"}]))
    await cluster.create(pod("slow"))
    await cluster.until(lambda: has_condition(cluster, r.PODS, "slow", "Ready"))
    cluster.pods.not_ready("slow")
    await cluster.advance(90)
    told = await asked()
    assert told.cause("scheduling-gates", "gated").startswith("it waits for example.org/wait")
    assert (
        told.cause("no-scheduler", "lost")
        == "no scheduler has looked at it: it asks for other, which seems not to run"
    )
    assert told.cause("init-container", "init").startswith("init container setup still runs")
    assert (
        told.cause("claim-missing", "claimless") == "PersistentVolumeClaim none, which it needs, is not there"
    )
    assert told.cause("references", "unset") == 'ConfigMap settings has no key "b"; it has: a'
    assert told.cause("not-ready", "gate").startswith("it waits for the readiness gate example.org/lb")
    assert (await asked("pod/slow")).code in (0, 2)


async def test_pods_that_go(start: Start) -> None:
    cluster, asked = await start(nodes=1)
    cluster.pods.behave(lambda _: Behaviour(leaves_after=25))
    await cluster.create(named("PriorityClass", "high", "scheduling.k8s.io/v1", value=1000))
    await cluster.create(workload(name="low", containers=[container(requests={"cpu": "30"})]))
    await cluster.until(lambda: cluster.is_rolled_out("low"))
    await cluster.create(
        workload(name="high", priorityClassName="high", containers=[container(requests={"cpu": "30"})])
    )
    victim = (await cluster.list(r.PODS, labels="app=low"))[0]["metadata"]["name"]
    await cluster.until(lambda: has_condition(cluster, r.PODS, victim, "DisruptionTarget"))
    told = await asked("pod", victim)
    assert told.cause("disrupted").startswith("a pod with a higher priority takes its place: ")
    await cluster.create(claim("data", storageClassName="x"))
    node = (await cluster.list(r.NODES))[0]["metadata"][
        "name"
    ]  # a pod without a node does not hold its claim
    await cluster.create(
        pod("user", nodeName=node, volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
    )
    await cluster.create(
        named("ConfigMap", "held") | {"metadata": {"name": "held", "finalizers": ["example.org/hold"]}}
    )
    await cluster.client.delete(r.PERSISTENT_VOLUME_CLAIMS, "data", "default")
    await cluster.client.delete(r.CONFIG_MAPS, "held", "default")
    await cluster.advance(40)
    assert (await asked("pvc/data")).cause("finalizers") == "it stays as long as pods use it: user"
    held = await asked("configmap/held")
    assert held.cause("finalizers").startswith("it cannot go: example.org/hold holds it")


async def test_controllers_and_scheduler_that_do_not_run(start: Start) -> None:
    cluster, asked = await start(controllers=("*", "-deployment", "-cronjob"), has_scheduler=False)
    template = {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}}
    await cluster.create(workload())
    await cluster.create(pod("alone"))
    await cluster.create(
        named("CronJob", "often", "batch/v1", spec={"schedule": "*/5 * * * *", "jobTemplate": template})
    )
    renewed = cluster.now().strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    lease = named(
        "Lease",
        "kube-scheduler",
        "coordination.k8s.io/v1",
        spec={"holderIdentity": "n1_x", "leaseDurationSeconds": 15, "renewTime": renewed},
    )
    await cluster.create(lease, "kube-system")
    await cluster.advance(600)
    told = await asked()
    assert (
        told.cause("not-observed", "web")
        == "no controller has acted on it: is the Deployment controller running?"
    )
    assert told.cause("no-scheduler", "alone") == "no scheduler has looked at it: none runs, or it is behind"
    assert "it should have started a job " in told.cause("schedule", "often")
    assert told.cause("leaders", "kube-scheduler").startswith(
        "the scheduler does nothing: new pods get no node; n1_x renewed the lease 600 s ago"
    )


async def test_sets_jobs_and_autoscalers(start: Start) -> None:
    cluster, asked = await start()
    cluster.pods.behave(
        lambda one: (
            Behaviour(runs=(Run(seconds=1, exit_code=3),))
            if one["metadata"]["name"].startswith("bad")
            else Behaviour(runs=(Run(ready_after=None),))
            if one["metadata"]["name"].startswith("db")
            else None
        )
    )
    template = {"spec": {"restartPolicy": "Never", "containers": [container()]}}
    await cluster.create(workload("StatefulSet", "db", 2))
    await cluster.create(workload("DaemonSet", "gpu", nodeSelector={"gpu": "yes"}))
    await cluster.create(named("Job", "bad", "batch/v1", spec={"backoffLimit": 0, "template": template}))
    await cluster.create(
        named(
            "Job",
            "wide",
            "batch/v1",
            spec={
                "template": {"spec": {**template["spec"], "containers": [container(requests={"cpu": "64"})]}}
            },
        )
    )
    paused = workload(name="held")
    paused["spec"]["paused"] = True
    await cluster.create(paused)
    target = {"apiVersion": "apps/v1", "kind": "Deployment"}
    await cluster.create(
        named(
            "HorizontalPodAutoscaler",
            "none",
            "autoscaling/v2",
            spec={"maxReplicas": 3, "scaleTargetRef": {**target, "name": "gone"}},
        )
    )
    await cluster.until(lambda: has_condition(cluster, r.JOBS, "bad", "Failed"))
    await cluster.until(
        lambda: has_condition(cluster, r.HORIZONTAL_POD_AUTOSCALERS, "none", "AbleToScale", "False")
    )
    await cluster.advance(120)
    told = await asked()
    assert (await asked("sts/db")).cause(
        "ordered-pods"
    ) == "pods are made one after the other: db-0 is not ready, so db-1 waits"
    assert (await asked("sts/db")).cause("governing-service").startswith("service db is not there")
    assert (await asked("ds/gpu")).cause("no-daemon-node").startswith("it wants no pod on any node")
    assert (
        (await asked("job/bad"))
        .cause("job-failed")
        .startswith("it failed: its pods failed more often than backoffLimit allows")
    )
    assert told.cause("crash", "bad").startswith("container main ends with exit code 3: its own error")
    assert (await asked("job/wide")).cause("job-waits") == "1 of its pods are there, and none runs"
    assert told.cause("paused", "held") == "its rollout is paused: changes of the template wait"
    assert told.cause("autoscaler", "none") == "its target Deployment gone is not there"


async def test_services_and_ingresses(start: Start) -> None:
    cluster, asked = await start()
    await cluster.create(service("ip", type="ExternalName", externalName="10.0.0.1"))
    await cluster.create(service("alias", type="ExternalName", externalName="db.default.svc.cluster.local"))
    await cluster.create(service("hand"))
    await cluster.create(service("outside", type="LoadBalancer", selector={"app": "web"}))
    await cluster.create(workload())
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    backend = {"service": {"name": "outside", "port": {"number": 80}}}
    rules = [
        {
            "host": "a.example.org",
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
        }
    ]
    for name, hosts in (("first", ["a.example.org"]), ("second", [])):
        tls = [{"secretName": "cert", "hosts": hosts}] if hosts else []
        await cluster.create(
            named("Ingress", name, "networking.k8s.io/v1", spec={"rules": rules, "tls": tls})
        )
        await cluster.advance(2)
    await cluster.create(named("Secret", "cert", type="kubernetes.io/tls", data=certificate("b.example.org")))
    await cluster.advance(70)
    lost = {"service": {"name": "gone", "port": {"number": 80}}}
    await cluster.create(named("Ingress", "third", "networking.k8s.io/v1", spec={"defaultBackend": lost}))
    told = await asked()
    assert told.cause("ingress-backend", "third").startswith("service gone, to which it leads, is not there")
    assert told.cause("external-name", "ip").startswith(
        "10.0.0.1 is an address, and an ExternalName can only be a name"
    )
    assert told.cause("external-name", "alias") == "it stands for service default/db, which is not there"
    assert told.cause("service-endpoints", "hand") == "it has no selector, and nobody has given it endpoints"
    assert told.cause("service-address", "outside").startswith("nobody has given it an external address")
    assert (
        told.cause("ingress-conflict", "second")
        == "a.example.org/ belongs to the older ingress default/first: requests go there"
    )
    assert (
        told.cause("ingress-certificate", "first")
        == "the certificate in secret cert is for b.example.org, not for a.example.org"
    )
    assert told.cause("ingress-class", "first").startswith(
        "it names no ingress class, and none is the default"
    )
    await cluster.client.patch(r.SECRETS, "cert", {"data": certificate("a.example.org", days=-1)}, "default")
    assert "was valid until" in (await asked("ingress/first")).cause("ingress-certificate")


async def test_what_extends_the_api(start: Start) -> None:
    cluster, asked = await start()
    await cluster.create(named("APIService", "v1.far.example.org", "apiregistration.k8s.io/v1", spec={
        "group": "far.example.org", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10, "insecureSkipTLSVerify": True,
        "service": {"namespace": "default", "name": "far"}}))  # fmt: skip
    hook = {"name": "v.example.org", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"service": {"namespace": "default", "name": "hook"}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]}  # fmt: skip
    await cluster.create(
        named("ValidatingWebhookConfiguration", "hooks", "admissionregistration.k8s.io/v1", webhooks=[hook])
    )
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    for group in ("one.example.org", "two.k8s.io"):
        version = {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            "subresources": {"status": {}},
        }
        metadata = {
            "name": f"widgets.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, experimental-only"}
            if group.endswith("k8s.io")
            else {},
        }
        await cluster.create(
            named(
                "CustomResourceDefinition",
                "",
                "apiextensions.k8s.io/v1",
                spec={"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
            )
            | {"metadata": metadata}
        )
    await cluster.until(
        lambda: has_condition(cluster, r.API_SERVICES, "v1.far.example.org", "Available", "False")
    )
    told = await asked()
    assert told.cause("api-service").startswith(
        "the API v1.far.example.org is not available (ServiceNotFound): "
    )
    assert told.cause("webhook", "hooks").startswith(
        "webhook v.example.org cannot answer: its service default/hook is not there; CREATE configmaps are refused"
    )
    assert told.cause("definition", "widgets.two.k8s.io").startswith("its group is reserved")
    widgets = GVR("one.example.org", "v1", "widgets")
    made = await cluster.client.create(widgets, named("Widget", "sad", "one.example.org/v1"), "default")
    broken = {
        "status": {
            "conditions": [{"type": "Ready", "status": "False", "reason": "Broken", "message": "no oil"}]
        }
    }
    await cluster.client.patch(widgets, "sad", broken, "default", subresource="status")
    seen = cluster.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    await cluster.create(named("Event", "sad.1", type="Warning", reason="Squeaks", message="it squeaks", lastTimestamp=seen, involvedObject={
        "apiVersion": "one.example.org/v1", "kind": "Widget", "name": "sad", "namespace": "default", "uid": made["metadata"]["uid"]}))  # fmt: skip
    sad = await asked("widget/sad")
    assert sad.cause("conditions") == "its condition Ready is False: no oil"
    assert {one["rule"] for one in sad.findings} >= {"conditions"}
    await cluster.client.patch(
        widgets, "sad", {"status": {"conditions": []}}, "default", subresource="status"
    )
    assert (await asked("widget/sad")).cause("warnings") == "Squeaks: it squeaks"


async def test_nodes_claims_and_certificates(start: Start) -> None:
    cluster, asked = await start()
    csr = {
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "usages": ["client auth"],
        "request": request_of("system:node:n9"),
    }
    await cluster.create(named("CertificateSigningRequest", "n9", "certificates.k8s.io/v1", spec=csr))
    await cluster.create(named("StorageClass", "fast", "storage.k8s.io/v1", provisioner="ebs.csi.aws.com"))
    await cluster.create(claim("data", storageClassName="fast"))
    node = (await cluster.list(r.NODES))[0]["metadata"]["name"]
    await cluster.client.patch(r.NODES, node, {"spec": {"unschedulable": True}})
    await cluster.create(pod("used", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]))
    await cluster.advance(90)
    told = await asked()
    assert told.cause("certificate-request", "n9").startswith("nobody has approved the certificate that ")
    assert "kubectl certificate approve n9" in told.finding("certificate-request")["commands"]
    assert (
        told.cause("claim-unbound", "data") == "the CSI driver ebs.csi.aws.com of class fast is not installed"
    )
    assert told.cause("cordoned", node) == "it is cordoned: no new pods go there"


async def test_nodes_that_are_silent_or_short_of_memory_and_what_cannot_go(start: Start) -> None:
    cluster, asked = await start()
    first, second = [one["metadata"]["name"] for one in await cluster.list(r.NODES)]
    await cluster.create(named("ServiceAccount", "bot"))
    await cluster.create(
        pod("waits", serviceAccountName="bot", schedulingGates=[{"name": "example.org/wait"}])
    )
    await cluster.client.delete(r.SERVICE_ACCOUNTS, "bot", "default")
    await cluster.create(named("Namespace", "shop"))
    await cluster.create(
        named("ConfigMap", "kept") | {"metadata": {"name": "kept", "finalizers": ["example.org/hold"]}},
        "shop",
    )
    await cluster.client.delete(r.NAMESPACES, "shop")
    await cluster.create(
        named(
            "StorageClass",
            "grows",
            "storage.k8s.io/v1",
            provisioner="example.org/none",
            allowVolumeExpansion=True,
        )
    )
    volume = {
        "storageClassName": "grows",
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/x"},
    }
    await cluster.create(named("PersistentVolume", "small", spec=volume))
    await cluster.create(claim("data", storageClassName="grows"))

    async def bound() -> bool:
        return bool(
            (await cluster.get(r.PERSISTENT_VOLUME_CLAIMS, "data")).get("status", {}).get("phase") == "Bound"
        )

    await cluster.until(bound)
    await cluster.client.patch(
        r.PERSISTENT_VOLUME_CLAIMS,
        "data",
        {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
        "default",
    )
    await cluster.create(pod("stuck", nodeName=first))
    await cluster.until(lambda: has_condition(cluster, r.PODS, "stuck", "Ready"))
    cluster.nodes.silence(first)
    await cluster.advance(60)
    await cluster.client.delete(r.PODS, "stuck", "default")
    await cluster.advance(60)
    short = [
        {"type": "MemoryPressure", "status": "True", "reason": "KubeletHasInsufficientMemory"},
        {"type": "Ready", "status": "True"},
    ]
    await cluster.client.patch(r.NODES, second, {"status": {"conditions": short}}, subresource="status")
    told = await asked()
    assert told.cause("node-not-ready", first).startswith("its kubelet is silent")
    assert (
        told.cause("pod-terminating", "stuck")
        == f"it cannot end: its node {first} is not ready, so nobody stops its containers"
    )
    assert told.cause("node-pressure", second).startswith("it is short of memory")
    assert told.cause("namespace-terminating", "shop").startswith(
        "it cannot go: objects in it have finalizers that nobody removes"
    )
    assert told.cause("service-account", "waits") == "its service account bot is gone"
    assert told.cause("claim-resize", "data") == "it should be 2Gi and is still 1Gi"
