"""Every command that `pinnace why` proposes is run as it is printed: the fault is gone afterwards, or the command is at least one that is accepted.

A scene makes one fault in a namespace of its own. Where nobody but a person can mend it (an editor, a machine that is off), `mended` is False.
"""

from base64 import b64decode
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.resources import BY_GVK, BY_GVR
from pinnace.cli.cluster_reader import ClusterReader
from pinnace.insight.catalog import RULES
from pinnace.kubelet.simulated.behaviour import Behaviour, Run
from pinnace.testing.simulated_cluster import SimulatedCluster
from why_scenes import Asked, Told, certificate, container, named, pod, request_of, workload

Object = dict[str, Any]
LATER = 65  # seconds after which every rule's patience is over
ADMISSION, NETWORKING, STORAGE = (
    "admissionregistration.k8s.io/v1",
    "networking.k8s.io/v1",
    "storage.k8s.io/v1",
)
RESTARTABLE = {"restartPolicy": "Never", "containers": [container()]}


class Scene(NamedTuple):
    rule: str
    ask: str  # the words of the question
    objects: tuple[Object, ...]
    mended: bool = True
    put: dict[str, str] = {}  # into the placeholders
    changes: tuple[
        tuple[str, Object], ...
    ] = ()  # patches of `resource/name` once all is there; {} deletes, `status` goes to the status


def claimed(name: str, **spec: Any) -> Object:
    return named("PersistentVolumeClaim", name, spec={
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec})  # fmt: skip


def service(name: str, **spec: Any) -> Object:
    return named("Service", name, spec={"ports": [{"port": 80}], **spec})


def ingress(name: str, backend: str, port: int, **spec: Any) -> Object:
    return named("Ingress", name, NETWORKING, spec={"defaultBackend": {"service": {"name": backend, "port": {"number": port}}}, **spec})  # fmt: skip


def job(name: str, **spec: Any) -> Object:
    return named("Job", name, "batch/v1", spec={"template": {"spec": RESTARTABLE}, **spec})


def deployment(name: str, change: Object, **pod_spec: Any) -> Object:
    made = workload(name=name, **pod_spec)
    made["spec"].update(change)
    return made


def waiting(reason: str, message: str) -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    status = {"name": "main", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    return {"status": {"containerStatuses": [status]}}


def held(obj: Object) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "finalizers": ["example.org/hold"]}}


PORTS = [container(ports=[{"name": "web", "containerPort": 8080}])]
AS_NOBODY: Object = {"securityContext": {"runAsNonRoot": True}}
SETTINGS = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "b"}}}]
TOKEN = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "token", "key": "b"}}}]
HOOK: Object = {"name": "v.example.org", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"service": {"namespace": "default", "name": "hook"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]}  # fmt: skip

SCENES = (
    Scene("scheduling-gates", "pod/gated", (pod("gated", schedulingGates=[{"name": "example.org/wait"}]),)),
    Scene("unschedulable", "deploy/wide", (workload(name="wide", containers=[container(requests={"cpu": "64"})]),)),
    Scene("unschedulable", "pod/large", (pod("large", containers=[container(requests={"cpu": "64"})]),), mended=False),
    Scene("no-scheduler", "pod/lost", (pod("lost", schedulerName="other"),), mended=False),
    Scene("image", "deploy/img", (workload(name="img", containers=[container(image="x:bad")]),), put={"YOUR_IMAGE": "x:good"},
          changes=(("pods/app=img", waiting("ErrImagePull", "manifest unknown")),)),
    Scene("image", "deploy/shut", (workload(name="shut", containers=[container(image="x:bad")]),), mended=False,
          put={"YOUR_USER": "me", "YOUR_PASSWORD": "pw"}, changes=(("pods/app=shut", waiting("ImagePullBackOff", "pull access denied")),)),
    Scene("references", "pod/unset", (pod("unset", containers=[container(env=SETTINGS)]), named("ConfigMap", "settings", data={"a": "1"})), put={"YOUR_VALUE": "x"}),
    Scene("references", "pod/bare", (pod("bare", containers=[container(env=TOKEN)]),), put={"YOUR_VALUE": "x"}),
    Scene("references", "pod/half", (pod("half", containers=[container(env=TOKEN)]), named("Secret", "token", data={"a": "MQ=="})), put={"YOUR_VALUE": "x"}),
    Scene("service-account", "pod/waits", (named("ServiceAccount", "bot"), pod("waits", serviceAccountName="bot", schedulingGates=[{"name": "example.org/wait"}])),
          changes=(("serviceaccounts/bot", {}),)),
    Scene("claim-missing", "pod/claimless", (pod("claimless", volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "none"}}]),), put={"YOUR_SIZE": "1Gi"}),
    Scene("container-config", "deploy/rooted", (workload(name="rooted", **AS_NOBODY),), changes=(
        ("pods/app=rooted", waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),)),
    Scene("container-config", "pod/nocmd", (pod("nocmd", containers=[container(image="x:bad")]),), mended=False, changes=(
        ("pods/nocmd", waiting("RunContainerError", 'exec: "serve": executable file not found in $PATH')),)),
    Scene("mounts", "pod/mount", (pod("mount", containers=[container(image="x:bad")]), named("Event", "mount.1", type="Warning", reason="FailedMount", message="no such device", involvedObject={
        "kind": "Pod", "name": "mount", "namespace": "NAMESPACE"})), mended=False),
    Scene("crash", "deploy/hungry", (workload(name="hungry", containers=[container(resources={"limits": {"memory": "16Mi"}})]),)),
    Scene("crash", "deploy/crash", (workload(name="crash", labels={"does": "crash"}),), mended=False),
    Scene("not-ready", "pod/gate", (pod("gate", readinessGates=[{"conditionType": "example.org/lb"}]),)),
    Scene("not-ready", "deploy/probed", (workload(name="probed", labels={"does": "unready"}, containers=[container(readinessProbe={"tcpSocket": {"port": 80}})]),), mended=False),
    Scene("init-container", "pod/init", (pod("init", initContainers=[container("setup")]),), mended=False),
    Scene("pod-failed", "pod/out", (pod("out"),), changes=(("pods/out", {"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}}),)),
    Scene("finalizers", "configmap/kept", (held(named("ConfigMap", "kept")),), changes=(("configmaps/kept", {}),)),
    Scene("creation-refused", "deploy/quota", (workload(name="quota", replicas=3), named("ResourceQuota", "few", spec={"hard": {"pods": "1", "requests.cpu": "500m"}})),
          changes=(("deployments/quota", {"spec": {"template": {"spec": {"containers": [container(requests={"cpu": "300m"})]}}}}),)),
    Scene("creation-refused", "deploy/orphan", (workload(name="orphan", serviceAccountName="nobody"),)),
    Scene("creation-refused", "deploy/ranged", (named("LimitRange", "small", spec={"limits": [{"type": "Container", "max": {"cpu": "1"}}]}),
          workload(name="ranged", containers=[container(resources={"limits": {"cpu": "4"}})])), mended=False),
    Scene("paused", "deploy/held", (deployment("held", {"paused": True}),)),
    Scene("rollout", "deploy/rolled", (workload(name="rolled"),), changes=(
        ("deployments/rolled", {"spec": {"template": {"metadata": {"labels": {"does": "unready"}}}}}),)),
    Scene("short-of-pods", "deploy/undone", (deployment("undone", {"strategy": {"type": "Recreate"}}),), changes=(
        ("deployments/undone", {"spec": {"template": {"metadata": {"labels": {"does": "unready"}}}}}),)),
    Scene("scaled-to-0", "deploy/zero", (workload(name="zero", replicas=0),)),
    Scene("ordered-pods", "sts/db", (workload("StatefulSet", "db", 2, labels={"does": "unready"}),), mended=False),
    Scene("governing-service", "sts/named", (workload("StatefulSet", "named"),)),
    Scene("job-failed", "job/bad", (job("bad", backoffLimit=0),), mended=False),
    Scene("suspended", "job/later", (job("later", suspend=True),)),
    Scene("suspended", "cronjob/nightly", (named("CronJob", "nightly", "batch/v1", spec={"schedule": "0 3 * * *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": RESTARTABLE}}}}),)),
    Scene("job-waits", "job/wide", (job("wide", template={"spec": {"restartPolicy": "Never", "containers": [container(requests={"cpu": "64"})]}}),), mended=False),
    Scene("service-endpoints", "svc/near", (workload(name="near"), service("near", selector={"app": "neer"}))),
    Scene("service-endpoints", "svc/port", (workload(name="port", containers=PORTS), named("Service", "port", spec={
        "selector": {"app": "port"}, "ports": [{"port": 80, "targetPort": "http"}]}))),
    Scene("service-endpoints", "svc/number", (workload(name="number", containers=PORTS), named("Service", "number", spec={
        "selector": {"app": "number"}, "ports": [{"port": 80, "targetPort": 9090}]}))),
    Scene("service-endpoints", "svc/hand", (service("hand"),), put={"YOUR_ADDRESS": "10.1.2.3"}),
    Scene("external-name", "svc/ip", (service("ip", type="ExternalName", externalName="10.0.0.1"),), mended=False),
    Scene("external-name", "svc/alias", (service("alias", type="ExternalName", externalName="db.default.svc.cluster.local"),), mended=False),
    Scene("service-address", "svc/outside", (workload(name="outside"), service("outside", type="LoadBalancer", selector={"app": "outside"}))),
    Scene("ingress-class", "ingress/classy", (named("IngressClass", "real", NETWORKING, spec={"controller": "example.org/c"}), service("classy"), ingress("classy", "classy", 80, ingressClassName="typo")), mended=False),
    Scene("ingress-backend", "ingress/wrong", (service("wrong"), ingress("wrong", "wrong", 8080))),
    Scene("ingress-backend", "ingress/gone", (ingress("gone", "gone", 80),), mended=False),
    Scene("ingress-certificate", "ingress/bare", (service("bare"), ingress("bare", "bare", 80, tls=[{"secretName": "cert", "hosts": ["a.example.org"]}]),
          named("Secret", "cert", data={"a": "MQ=="})), put={"YOUR_CERTIFICATE": "tls.crt", "YOUR_KEY": "tls.key"}),
    Scene("claim-unbound", "pvc/gold", (claimed("gold", storageClassName="gold"),), mended=False),
    Scene("claim-unbound", "pvc/plain", (named("StorageClass", "slow", STORAGE, provisioner="kubernetes.io/no-provisioner"), claimed("plain")), mended=False),
    Scene("autoscaler", "hpa/none", (named("HorizontalPodAutoscaler", "none", "autoscaling/v2", spec={"maxReplicas": 3, "scaleTargetRef": {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}}),), mended=False),
    Scene("autoscaler", "hpa/off", (workload(name="off", replicas=0), named("HorizontalPodAutoscaler", "off", "autoscaling/v2", spec={"maxReplicas": 3, "scaleTargetRef": {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "off"}})), mended=False),
    Scene("disruption-budget", "pdb/strict", (workload(name="strict"), named("PodDisruptionBudget", "strict", "policy/v1", spec={"minAvailable": 1, "selector": {"matchLabels": {"app": "strict"}}}))),
    Scene("webhook", "validatingwebhookconfiguration/hooks", (named("ValidatingWebhookConfiguration", "hooks", ADMISSION, webhooks=[
        {**HOOK, "namespaceSelector": {"matchLabels": {"a": "b"}}}]),)),
    Scene("policy-binding", "validatingadmissionpolicybinding/lost", (named("ValidatingAdmissionPolicyBinding", "lost", ADMISSION, spec={"policyName": "gone", "validationActions": ["Deny"]}),)),
    Scene("admission-policy", "validatingadmissionpolicy/loose", (named("ValidatingAdmissionPolicy", "loose", ADMISSION, spec={
        "matchConstraints": {"resourceRules": HOOK["rules"]}, "validations": [{"expression": "true"}]}),), mended=False),
)  # fmt: skip


VERSIONS = [{"name": name, "served": True, "storage": name == "v2", "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
            for name in ("v1", "v2")]  # fmt: skip
BUDGET = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "twice"}}}


def disk(name: str, space: str, **spec: Any) -> Object:
    """A volume of a driver, with a claim to which it belongs."""
    return named("PersistentVolume", name, spec={
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
        "csi": {"driver": "csi.example.org", "volumeHandle": name}, "claimRef": {"namespace": space, "name": name}, **spec})  # fmt: skip


WIDER = (
    Scene("volume", "pv/old", (disk("old", "default"),), changes=(("persistentvolumes/old", {"spec": {"claimRef": {"uid": "gone"}}}),)),
    Scene("attachment", "pod/attached", (
        disk("attached", "s1"), claimed("attached", volumeName="attached", storageClassName=""),
        named("VolumeAttachment", "there", STORAGE, spec={"attacher": "csi.example.org", "nodeName": "sim-1", "source": {"persistentVolumeName": "attached"}}),
        pod("attached", nodeName="sim-0", containers=[container(image="x:bad")], volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "attached"}}])), mended=False),
    Scene("creating", "pod/nothing", (pod("nothing", containers=[container(image="x:bad")]),), mended=False),
    Scene("owner", "configmap/orphan", (named("ConfigMap", "orphan") | {"metadata": {"name": "orphan", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gone", "uid": "gone"}]}},), mended=False),
    Scene("conversion", "crd/widgets.example.org", (named("CustomResourceDefinition", "widgets.example.org", "apiextensions.k8s.io/v1", spec={
        "group": "example.org", "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}, "versions": VERSIONS,
        "conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"service": {"namespace": "default", "name": "hook"}}}}}),), mended=False),
    Scene("network-policy", "netpol/out", (workload(name="front"), named("NetworkPolicy", "out", NETWORKING, spec={
        "podSelector": {"matchLabels": {"app": "front"}}, "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}], "ports": [{"port": 5432}]}]}))),
    Scene("budgets-overlap", "pdb/one", (workload(name="twice"), named("PodDisruptionBudget", "one", "policy/v1", spec=BUDGET), named("PodDisruptionBudget", "two", "policy/v1", spec=BUDGET))),
    Scene("missed-nodes", "ds/agent", (workload("DaemonSet", "agent", nodeSelector={"disk": "ssd"}),), changes=(("nodes/sim-0", {"metadata": {"labels": {"disk": "ssd"}}}),)),
    Scene("no-daemon-node", "ds/gpu", (workload("DaemonSet", "gpu", nodeSelector={"gpu": "yes"}),)),
    Scene("nominated", "pod/high", (named("PriorityClass", "high", "scheduling.k8s.io/v1", value=1000), workload(name="low", labels={"does": "linger"}, nodeSelector={"disk": "ssd"}, containers=[container(requests={"cpu": "30"})], terminationGracePeriodSeconds=600),
          ), mended=False),
    Scene("disrupted", "deploy/low -n s9", (), mended=False),
    Scene("api-service", "apiservice/v1.far.example.org", (named("APIService", "v1.far.example.org", "apiregistration.k8s.io/v1", spec={
        "group": "far.example.org", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10, "insecureSkipTLSVerify": True,
        "service": {"namespace": "default", "name": "far"}}),), mended=False),
    Scene("namespace-terminating", "ns/going", (named("Namespace", "going"),)),
    Scene("certificate-request", "csr/n9", (named("CertificateSigningRequest", "n9", "certificates.k8s.io/v1", spec={
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet", "usages": ["client auth"], "request": request_of("system:node:n9")}),), mended=False),  # no signer runs here
    Scene("definition", "crd/widgets.two.k8s.io", (named("CustomResourceDefinition", "widgets.two.k8s.io", "apiextensions.k8s.io/v1", spec={
        "group": "two.k8s.io", "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}, "versions": VERSIONS}) | {
        "metadata": {"name": "widgets.two.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, experimental-only"}}},), mended=False),
    Scene("ingress-conflict", "ingress/z", (service("z"), *(named("Ingress", name, NETWORKING, spec={"rules": [{"host": "a.example.org", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "z", "port": {"number": 80}}}}]}}]}) for name in ("a", "z"))), mended=False),
    Scene("schedule", "cronjob/often", (named("CronJob", "often", "batch/v1", spec={"schedule": "*/1 * * * *", "jobTemplate": {"spec": {"template": {"spec": RESTARTABLE}}}}),), mended=False),
    Scene("not-observed", "sts/unseen", (workload("StatefulSet", "unseen"),), mended=False),
    Scene("leaders", "lease/kube-scheduler -n kube-system", (), mended=False),
    Scene("node-not-ready", "node/sim-1", (), mended=False),
    Scene("node-clock", "node/sim-1", (), mended=False),
    Scene("node-version", "node/sim-1", (), mended=False),
    Scene("cordoned", "node/sim-1", (), changes=(("nodes/sim-1", {"spec": {"unschedulable": True}}),)),
    Scene("pod-terminating", "pod/stuck", (pod("stuck", nodeName="sim-1"),)),
)  # fmt: skip


def simulated(one: Object) -> Behaviour | None:
    """Images named x:bad do not come, memory of 16Mi does not do, and labels say the rest."""
    labels, first = meta.labels(one), one["spec"]["containers"][0]
    if first["image"] == "x:bad" or one["spec"].get("securityContext") == AS_NOBODY["securityContext"]:
        return Behaviour(starts_after=None)
    if any(source.get("valueFrom") for source in first.get("env") or ()):
        return Behaviour(starts_after=None)
    if ((first.get("resources") or {}).get("limits") or {}).get("memory") == "16Mi":
        return Behaviour(runs=(Run(seconds=1, exit_code=137, reason="OOMKilled"),))
    if labels.get("does") == "crash" or labels.get("job-name") == "bad":
        return Behaviour(runs=(Run(seconds=1, exit_code=3),))
    if labels.get("does") == "linger":
        return Behaviour(leaves_after=500)
    if labels.get("does") == "unready":
        return Behaviour(runs=(Run(ready_after=None),))
    if one["metadata"]["name"] == "init":
        return Behaviour(containers={"setup": (Run(seconds=None),)})
    return None


@pytest_asyncio.fixture
async def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[SimulatedCluster, None]:
    """With the controllers that the test names."""
    async with SimulatedCluster(tmp_path / "pki", controllers=getattr(request, "param", ("*",))) as made:
        made.pods.behave(simulated)
        yield made


@pytest.fixture
def asked(cluster: SimulatedCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Asked:  # fmt: skip
    return Asked(cluster, tmp_path / "cache", capsys, monkeypatch)


async def test_every_command_is_accepted_and_mends(
    cluster: SimulatedCluster, asked: Asked, tmp_path: Path
) -> None:
    await play(SCENES, cluster, asked, tmp_path)


@pytest.mark.parametrize("cluster", [("*", "-garbage-collector", "-cronjob", "-statefulset")], indirect=True)
async def test_nodes_volumes_and_what_is_wider_than_a_namespace(cluster: SimulatedCluster, asked: Asked, tmp_path: Path) -> None:  # fmt: skip
    places = {scene.rule: f"s{at}" for at, scene in enumerate(WIDER)}

    async def last() -> None:
        """What a node that runs would undo at once, so it is silent before."""
        await cluster.create(held(named("ConfigMap", "kept")), "going")
        await cluster.client.delete(r.NAMESPACES, "going")
        cluster.nodes.silence("sim-1")
        await cluster.advance(60)
        await cluster.client.delete(r.PODS, "stuck", places["pod-terminating"])
        ahead = (cluster.now() + timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        await cluster.client.patch(r.LEASES, "sim-1", {"spec": {"renewTime": ahead}}, "kube-node-lease")
        old = {"status": {"nodeInfo": {"kubeletVersion": "v1.20.1"}}}
        await cluster.client.patch(r.NODES, "sim-1", old, subresource="status")
        high = pod("high", priorityClassName="high", containers=[container(requests={"cpu": "30"})])
        await cluster.create(high, places["nominated"])
        lease = {
            "holderIdentity": "n1",
            "leaseDurationSeconds": 15,
            "renewTime": "2026-01-01T11:00:00.000000Z",
        }
        await cluster.create(
            named("Lease", "kube-scheduler", "coordination.k8s.io/v1", spec=lease), "kube-system"
        )
        await cluster.advance(60)

    await play(WIDER, cluster, asked, tmp_path, last)


SAID = {
    "shop": "dial tcp: lookup bd.s0.svc.cluster.local on 10.96.0.10:53: no such host",
    "near": 'could not translate host name "bd" to address: Name or service not known',
    "dark": "getaddrinfo EAI_AGAIN db",
    "closed": "dial tcp 10.43.7.7:5432: connect: connection refused",
    "bot": 'pods is forbidden: User "system:serviceaccount:s4:bot" cannot list resource "pods" in API group "" in the namespace "s4"',
}
LOGS = (
    Scene("names", "pod/shop", (pod("shop"), service("db"))),
    Scene("names", "pod/near", (pod("near"), service("db"))),
    Scene("names", "pod/dark", (pod("dark"), named("Service", "kube-dns", spec={"clusterIP": "10.43.0.10", "ports": [{"port": 53, "protocol": "UDP"}]}) | {
        "metadata": {"name": "kube-dns", "namespace": "kube-system"}})),
    Scene("names", "pod/closed", (pod("closed"), service("db", clusterIP="10.43.7.7"))),
    Scene("forbidden", "pod/bot", (named("ServiceAccount", "bot"), pod("bot", serviceAccountName="bot"))),
)  # fmt: skip


async def test_what_applications_say_in_their_logs(
    cluster: SimulatedCluster, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines are made up, since simulated pods write none; the services and rights that they name are the cluster's."""
    monkeypatch.setattr(ClusterReader, "log", lambda _, __, name, *___, **____: ["starting", SAID[name]])
    scenes = tuple(one._replace(mended=False) for one in LOGS)
    await play(scenes, cluster, asked, tmp_path)
    causes = [(await asked(one.ask, "-n", f"s{at}")).cause(one.rule) for at, one in enumerate(LOGS[:4])]
    assert causes == [
        "it looks for bd.s0.svc.cluster.local, and there is no service bd in namespace s0; db comes nearest",
        "it looks for bd, and there is no service bd in namespace s1; db comes nearest",
        "it asked for the name db, and nobody answered: kube-system/kube-dns has no endpoint that is ready",
        "its connection to 10.43.7.7:5432 is refused: service s3/db has no port 5432; it has 80",
    ]


def test_every_rule_has_its_commands_run() -> None:
    only_described = {
        "conditions",
        "warnings",
        "claim-resize",
        "node-pressure",
    }  # what they propose to type is `describe`
    run = {one.rule for one in (*SCENES, *WIDER, *LOGS)}
    assert set(RULES) - run == only_described


async def play(
    scenes: tuple[Scene, ...], cluster: SimulatedCluster, asked: Asked, directory: Path, last: Callable[[], Awaitable[None]] | None = None
) -> None:  # fmt: skip
    for file, content in certificate("a.example.org").items():
        (directory / file).write_bytes(b64decode(content))
    for at in range(len(scenes)):
        await cluster.create(named("Namespace", f"s{at}"))
    await cluster.advance(2)  # until each has its service account, for which the creation of a pod waits
    for at, scene in enumerate(scenes):
        for obj in scene.objects:
            await cluster.create(await _placed(cluster, obj, f"s{at}"), f"s{at}")
    await cluster.advance(5)
    for at, scene in enumerate(scenes):
        for what, body in scene.changes:
            await _change(cluster, what, body, f"s{at}")
    await cluster.advance(LATER)
    if last is not None:
        await last()
    failures = []
    for at, scene in enumerate(scenes):
        failures += [
            f"{scene.rule} {scene.ask}: {one}" for one in await _act(scene, f"s{at}", asked, directory)
        ]
    await cluster.advance(LATER)
    for at, scene in enumerate(scenes):
        told = await _question(scene, f"s{at}", asked) if scene.mended else None
        if told and told.code != 1 and any(one["rule"] == scene.rule for one in told.findings):
            failures.append(f"{scene.rule} {scene.ask}: still there: {told.cause(scene.rule)}")
    assert not failures, "\n".join(failures)


async def _placed(cluster: SimulatedCluster, obj: Object, space: str) -> Object:
    if obj["kind"] == "Event":
        about = await cluster.get(r.PODS, obj["involvedObject"]["name"], space)
        return {
            **obj,
            "involvedObject": {**obj["involvedObject"], "namespace": space, "uid": meta.uid(about)},
        }
    return obj


async def _change(cluster: SimulatedCluster, what: str, body: Object, space: str) -> None:
    plural, _, name = what.partition("/")
    gvr = next(row.gvr for row in BY_GVK.values() if row.gvr.resource == plural)
    names = [name]
    if "=" in name:
        names = [meta.name(one) for one in await cluster.list(gvr, space, labels=name)]
        assert names, what
    scope = space if BY_GVR[gvr].namespaced else None
    for one in names:
        if not body:
            await cluster.client.delete(gvr, one, scope)
        else:
            await cluster.client.patch(
                gvr, one, body, scope, subresource="status" if "status" in body else ""
            )


async def _question(scene: Scene, space: str, asked: Asked) -> Told:
    words = scene.ask.split()
    return await asked(*words) if "-n" in words else await asked(*words, "-n", space)


async def _act(scene: Scene, space: str, asked: Asked, directory: Path) -> list[str]:
    """Runs all that is proposed: first what looks, then what changes."""
    told = await _question(scene, space, asked)
    found = [one for one in told.findings if one["rule"] == scene.rule] if told.code != 1 else []
    if not found:
        return [f"not told: {told.text}"]
    steps = [step for one in found for step in one["steps"]]
    if scene.mended and not any(step["does"] == "change" for step in steps):
        return [f"nothing that mends: {steps}"]
    put = {
        name: str(directory / value) if value.startswith("tls.") else value
        for name, value in scene.put.items()
    }
    put.setdefault("YOUR_FILE", str(directory / f"{space}.yaml"))
    failures = []
    for step in sorted(steps, key=lambda one: one["does"] != "look"):
        if step["does"] == "change" and not scene.mended and "delete" in step["command"]:
            continue
        done = await asked.run(step["command"], put)
        is_fine = done.code == 0 or (step["command"].startswith("pinnace why") and done.code in (2, 3))
        if not is_fine and "is simulated" not in done.text:
            failures.append(f"{step['command']}\n    {done.code} {done.text.strip()}")
    return failures
