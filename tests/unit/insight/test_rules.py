"""What is said of everything but pods."""

from typing import Any

import pytest

from unit.insight.recorded import BEFORE, Object, event, findings, node, obj, owned, pod, told

READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def ready_pod(name: str = "web", **more: Any) -> Object:
    return pod(name, phase="Running", node="n1", status=READY, labels={"app": "web"}, **more)


def deployment(replicas: int = 1, status: Object | None = None, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    return obj(
        "Deployment",
        "web",
        spec={"replicas": replicas, "template": template, **spec},
        status=status or {"observedGeneration": 1},
    )


@pytest.mark.parametrize(("message", "cause"), [
    ('pods "w" is forbidden: exceeded quota: few, requested: pods=1, used: pods=4, limited: pods=4',
     "quota few allows no more pods like it: asked for pods=1, used pods=4, limited to pods=4"),
    ("pods \"w\" is forbidden: failed quota: few: must specify cpu for: main", "a quota of the namespace wants every container to say its requests or limits: "),
    ('pods "w" is forbidden: violates PodSecurity "restricted:latest": privileged', "pod security of the namespace forbids such pods: violates PodSecurity"),
    ('admission webhook "v.example.org" denied the request: no', "webhook v.example.org denied its pods: "),
    ('Internal error occurred: failed calling webhook "v.example.org": connection refused', "webhook v.example.org does not answer, and its failurePolicy is Fail: "),
    ('error looking up service account shop/bot: serviceaccount "bot" not found', "the service account bot of its pods is not there"),
    ("maximum cpu usage per Container is 1, but limit is 2", "a LimitRange of the namespace forbids such pods: "),
    ("something else", "its pods cannot be created: Error creating: something else"),
])  # fmt: skip
def test_pods_that_may_not_be_created(message: str, cause: str) -> None:
    owner = obj("ReplicaSet", "web", spec={"replicas": 2}, status={"replicas": 0})
    first = told(owner, event(owner, "FailedCreate", f"Error creating: {message}"))[0]
    assert first.startswith(f"creation-refused: {cause}")


def test_an_old_refusal_is_forgotten_when_all_pods_are_there() -> None:
    owner = obj("ReplicaSet", "web", spec={"replicas": 2}, status={"replicas": 2, "availableReplicas": 2})
    assert told(owner, event(owner, "FailedCreate", "Error creating: exceeded quota")) == []


def test_rollouts() -> None:
    behind = deployment(
        3, {"updatedReplicas": 1, "availableReplicas": 3, "observedGeneration": 1}, paused=True
    )
    assert told(behind) == ["paused: its rollout is paused: changes of the template wait"]
    stuck = deployment(
        3,
        {
            "availableReplicas": 1,
            "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
        },
    )
    assert told(stuck) == [
        "short-of-pods: 1 of 3 pods are available, and it has not come further within progressDeadlineSeconds (600 s)"
    ]
    new = {**deployment(), "metadata": {**deployment()["metadata"], "generation": 1}, "status": {}}
    assert "not-observed: no controller has acted on it: is the Deployment controller running?" in told(new)
    (nothing,) = findings(deployment(0))
    assert (nothing.rule, nothing.rank) == ("scaled-to-0", 20)


def test_stateful_sets_wait_in_order() -> None:
    owner = obj("StatefulSet", "db", spec={"replicas": 2}, status={"availableReplicas": 0})
    first = owned(pod("db-0", phase="Running", node="n1"), owner)
    assert "ordered-pods: pods are made one after the other: db-0 is not ready, so db-1 waits" in told(
        owner, first, node()
    )


def test_daemon_sets_without_a_node() -> None:
    owner = obj(
        "DaemonSet",
        "agents",
        spec={"template": {"spec": {"nodeSelector": {"a": "b"}}}},
        status={"observedGeneration": 1},
    )
    assert told(owner, node()) == [
        "no-daemon-node: it wants no pod on any node: its node selector, affinity and tolerations fit none"
    ]


def test_jobs() -> None:
    failed = [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "m"}]
    assert told(obj("Job", "work", status={"conditions": failed})) == [
        "job-failed: it failed: it ran longer than activeDeadlineSeconds allows"
    ]
    assert told(obj("Job", "work", spec={"suspend": True})) == ["suspended: it is suspended"]
    assert told(obj("Job", "work", status={"active": 2})) == [
        "job-waits: 2 of its pods are there, and none runs"
    ]


def test_a_failed_job_leads_to_its_pods() -> None:
    failed = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}]
    job = obj("Job", "work", status={"conditions": failed})
    ended = {"name": "main", "restartCount": 0, "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}
    child = owned(
        pod(
            "work-a", phase="Failed", node="n1", restartPolicy="Never", status={"containerStatuses": [ended]}
        ),
        job,
    )
    assert told(job, child) == [
        "crash: container main ends with exit code 3: its own error",
        "job-failed: it failed: its pods failed more often than backoffLimit allows",
    ]


def test_cron_jobs() -> None:
    cron = obj("CronJob", "nightly", spec={"schedule": "61 * * * *"})
    assert told(cron, event(cron, "UnparseableSchedule", "unparseable schedule")) == [
        "schedule: its schedule cannot be read"
    ]
    busy = obj(
        "CronJob", "nightly", spec={"concurrencyPolicy": "Forbid"}, status={"active": [{"name": "n-1"}]}
    )
    assert told(busy, event(busy, "JobAlreadyActive", "m", "Normal")) == [
        "schedule: it starts no further job while n-1 runs (concurrencyPolicy: Forbid)"
    ]


def service(selector: dict[str, str] | None = None, target: Any = 80, **spec: Any) -> Object:
    return obj(
        "Service", "web", spec={"selector": selector, "ports": [{"port": 80, "targetPort": target}], **spec}
    )


def test_services_that_find_no_pod() -> None:
    assert told(service({"app": "web"})) == ["service-endpoints: its selector finds no pod"]
    (one,) = findings(service({"app": "wbe"}), ready_pod())
    assert (
        one.cause
        == "its selector finds no pod; Pod web comes nearest: the selector wants app=wbe where it has app=web"
    )
    assert one.commands[0] == 'kubectl patch service web -n shop -p \'{"spec":{"selector":{"app":"web"}}}\''
    assert told(service({"name": "web"}), ready_pod()) == [
        "service-endpoints: its selector finds no pod; Pod web comes nearest: the selector wants name=web where it has no name"
    ]
    assert told(service({"app": "web"}), deployment(0)) == [
        "service-endpoints: its selector finds no pod: Deployment web would make such pods, and is scaled to 0"
    ]


def test_services_and_their_ports() -> None:
    ports = [{"name": "main", "image": "x", "ports": [{"name": "web", "containerPort": 80}]}]
    assert told(service({"app": "web"}), ready_pod(containers=ports)) == []
    assert told(service({"app": "web"}, "http"), ready_pod(containers=ports)) == [
        'service-endpoints: targetPort "http" is the name of no port of its pods; they have web'
    ]
    (hint,) = findings(service({"app": "web"}, 8080), ready_pod(containers=ports))
    assert hint.rank < 70
    assert "targetPort 8080 is none of the ports that its pods declare (80)" in hint.cause


def test_services_whose_pods_are_not_ready() -> None:
    unready = pod(phase="Running", node="n1", labels={"app": "web"})
    assert told(service({"app": "web"}), unready, node()) == [
        "service-endpoints: its selector finds 1 pod, none of them ready"
    ]


def test_services_that_others_fill() -> None:
    assert told(service()) == ["service-endpoints: it has no selector, and nobody has given it endpoints"]
    slices = obj(
        "EndpointSlice",
        "web-1",
        labels={"kubernetes.io/service-name": "web"},
        endpoints=[{"addresses": ["1.2.3.4"]}],
    )
    assert told(service(), slices) == []
    assert told(service(None, type="LoadBalancer"), slices) == [
        "service-address: nobody has given it an external address: does this cluster have a load balancer?"
    ]
    assert told(service(None, type="ExternalName")) == []


def test_ingresses() -> None:
    spec = {
        "ingressClassName": "nginx",
        "tls": [{"secretName": "cert"}],
        "defaultBackend": {"service": {"name": "web", "port": {"name": "http"}}},
    }
    wrong = obj("Secret", "cert", data={"a": "b"})
    assert told(
        obj("Ingress", "web", spec=spec),
        service({"app": "web"}),
        ready_pod(),
        wrong,
        obj("IngressClass", "other"),
    ) == [
        "ingress-class: there is no ingress class nginx, so no controller serves it; the cluster has: other",
        "ingress-backend: service web has no port http; it has (no name)=80",
        "ingress-certificate: secret cert is not a certificate: it lacks tls.crt or tls.key",
    ]
    bare = obj(
        "Ingress", "web", spec={"defaultBackend": {"service": {"name": "gone", "port": {"number": 80}}}}
    )
    assert told(bare, obj("IngressClass", "other")) == [
        "ingress-backend: service gone, to which it leads, is not there: requests are answered with 503 or 404",
        "ingress-class: it names no ingress class, and none is the default; the cluster has: other",
    ]


def claim(**spec: Any) -> Object:
    return obj("PersistentVolumeClaim", "data", spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}, **spec},
               status={"phase": "Pending"})  # fmt: skip


def storage_class(mode: str = "Immediate", provisioner: str = "disks.example") -> Object:
    return {**obj("StorageClass", "gold"), "provisioner": provisioner, "volumeBindingMode": mode}


def test_claims() -> None:
    gold = claim(storageClassName="gold")
    assert told(gold) == ["claim-unbound: there is no storage class gold; the cluster has: none"]
    assert told(gold, storage_class()) == [
        "claim-unbound: nobody makes its volume: is disks.example (the provisioner of class gold) running?"
    ]
    assert told(gold, storage_class(), event(gold, "ProvisioningFailed", "no space")) == [
        "claim-unbound: disks.example failed to make a volume: no space"
    ]
    (waits,) = findings(gold, storage_class("WaitForFirstConsumer"))
    assert (waits.rank, "there is none" in waits.cause) == (20, True)
    assert told(claim()) == [
        "claim-unbound: it names no storage class, and none is the default (there is none at all)"
    ]
    assert told(claim(volumeName="v")) == ["claim-unbound: it asks for volume v, which is not there"]
    taken = obj("PersistentVolume", "v", spec={"claimRef": {"namespace": "a", "name": "b"}})
    assert told(claim(volumeName="v"), taken) == ["claim-unbound: volume v belongs to claim a/b"]
    assert told({**gold, "status": {"phase": "Lost"}})[0].endswith("is gone, and the data with it")


def test_a_claim_says_why_each_volume_does_not_do() -> None:
    volumes = [
        obj("PersistentVolume", name, spec={"capacity": {"storage": size}, "accessModes": modes, "storageClassName": "gold"}, status={"phase": phase})
        for name, size, modes, phase in (("a", "1Gi", ["ReadWriteOnce"], "Available"), ("b", "5Gi", ["ReadOnlyMany"], "Available"), ("c", "5Gi", [], "Released"))
    ]  # fmt: skip
    (one,) = findings(
        claim(storageClassName="gold"), storage_class(provisioner="kubernetes.io/no-provisioner"), *volumes
    )
    assert [seen.text for seen in one.evidence[2:]] == ["only 1Gi", "access modes ReadOnlyMany", "Released"]


def test_a_claim_that_does_not_grow() -> None:
    bound = {
        **claim(storageClassName="gold", volumeName="v"),
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
    }
    assert told(bound) == ["claim-resize: it should be 2Gi and is still 1Gi"]


def test_nodes() -> None:
    assert told(node(ready="Unknown"))[0].startswith("node-not-ready: its kubelet is silent")
    lease = {
        **obj("Lease", "n1", spec={"renewTime": "2026-01-01T11:58:20.000000Z"}),
        "metadata": {"name": "n1", "namespace": "kube-node-lease"},
    }
    (one,) = findings(node(ready="Unknown"), lease)
    assert one.evidence[1].text == "last renewed 100 s ago"
    no_network = node(ready="False")
    no_network["status"]["conditions"][0]["message"] = (
        "container runtime network not ready: cni plugin not initialized"
    )
    assert told(no_network)[0].startswith("node-not-ready: its pod network is not ready")
    short = node()
    short["status"]["conditions"].append({"type": "DiskPressure", "status": "True"})
    assert told({**short, "spec": {"unschedulable": True}}) == [
        "node-pressure: it is short of disk: it takes no more pods, removes images, and evicts pods", "cordoned: it is cordoned: no new pods go there",
    ]  # fmt: skip


def autoscaler(*conditions: Object) -> Object:
    return obj(
        "HorizontalPodAutoscaler",
        "web",
        spec={"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 5},
        status={"conditions": list(conditions)},
    )


def test_autoscalers() -> None:
    able = {
        "type": "AbleToScale",
        "status": "False",
        "reason": "FailedGetScale",
        "message": 'deployments.apps "web" not found',
    }
    assert told(autoscaler(able)) == ["autoscaler: its target Deployment web is not there"]
    active = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}
    text = "failed to get cpu utilization: missing request for cpu in container main of Pod web"
    assert told(autoscaler({**active, "message": text})) == [
        "autoscaler: its pods do not say how much cpu they request, so there is nothing to measure a percentage by"
    ]
    text = "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
    assert told(autoscaler({**active, "message": text}))[0].startswith(
        "autoscaler: there are no metrics of its pods"
    )
    assert told(autoscaler({**active, "reason": "ScalingDisabled"}))[0].startswith(
        "autoscaler: Deployment web is scaled to 0"
    )
    limited = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}
    (note,) = findings(autoscaler({"type": "AbleToScale", "status": "True"}, limited))
    assert (note.cause, note.rank) == ("it would go further, but maxReplicas (5) is reached", 20)


def test_disruption_budgets() -> None:
    def budget(**status: int) -> Object:
        return obj(
            "PodDisruptionBudget",
            "web",
            spec={"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
            status=status,
        )

    assert told(
        budget(disruptionsAllowed=0, currentHealthy=2, desiredHealthy=2, expectedPods=2), ready_pod()
    ) == ["disruption-budget: no pod may ever be evicted: it wants 2 of 2 pods healthy, so drains hang"]
    assert told(
        budget(disruptionsAllowed=0, currentHealthy=2, desiredHealthy=2, expectedPods=3), ready_pod()
    ) == ["disruption-budget: no pod may be evicted now: 2 pods are healthy, 2 must be"]
    assert told(budget(disruptionsAllowed=0)) == [
        "disruption-budget: its selector finds no pod: it protects nothing"
    ]
    assert (
        told(budget(disruptionsAllowed=1, currentHealthy=3, desiredHealthy=2, expectedPods=3), ready_pod())
        == []
    )


def test_namespaces() -> None:
    failing = [
        {
            "type": "NamespaceDeletionDiscoveryFailure",
            "status": "True",
            "reason": "DiscoveryFailed",
            "message": "metrics.k8s.io/v1beta1: stale",
        }
    ]
    gone = obj("Namespace", "shop", metadata={"deletionTimestamp": BEFORE}, status={"conditions": failing})
    assert told(gone)[0].startswith(
        "namespace-terminating: it cannot go: an API that the server offers does not answer"
    )
    held = obj(
        "Namespace",
        "shop",
        metadata={"deletionTimestamp": BEFORE},
        spec={"finalizers": ["kubernetes", "x/y"]},
    )
    assert told(held) == ["namespace-terminating: it cannot go: the finalizer x/y has not been removed"]


def test_extensions() -> None:
    names = [{"type": "NamesAccepted", "status": "False", "reason": "PluralConflict", "message": '"pods" is already in use'},
             {"type": "Established", "status": "False", "reason": "NotAccepted"}]  # fmt: skip
    assert told(obj("CustomResourceDefinition", "x.y", status={"conditions": names})) == [
        'definition: another type has one of its names already: "pods" is already in use'
    ]
    down = {
        "conditions": [{"type": "Available", "status": "False", "reason": "ServiceNotFound", "message": "m"}]
    }
    assert told(obj("APIService", "v1.x", status=down))[0].startswith(
        "api-service: the API v1.x is not available (ServiceNotFound)"
    )


@pytest.mark.parametrize(("policy", "rank"), [("Fail", 90), ("Ignore", 20)])
def test_webhooks(policy: str, rank: int) -> None:
    hook = {"name": "v.example.org", "failurePolicy": policy, "clientConfig": {"service": {"namespace": "shop", "name": "web", "port": 80}},
            "rules": [{"operations": ["CREATE"], "resources": ["pods"]}]}  # fmt: skip
    configuration = {**obj("ValidatingWebhookConfiguration", "v"), "webhooks": [hook]}
    (one,) = findings(configuration)
    assert (one.rank, "its service shop/web is not there" in one.cause) == (rank, True)
    assert "has no pod that is ready" in told(configuration, service({"app": "web"}))[0]
    assert told(configuration, service({"app": "web"}), ready_pod()) == []


def test_custom_resources() -> None:
    custom = {"apiVersion": "example.org/v1", "kind": "Service", "metadata": {"name": "x", "namespace": "shop", "uid": "u"},
              "status": {"conditions": [{"type": "Ready", "status": "False", "message": "no database"}]}}  # fmt: skip
    assert told(custom) == ["conditions: its condition Ready is False: no database"]
    quiet = {**custom, "status": {}}
    assert told(quiet, event(quiet, "SyncFailed", "cannot reach it")) == [
        "warnings: SyncFailed: cannot reach it"
    ]
    held = {
        **quiet,
        "metadata": {**custom["metadata"], "deletionTimestamp": BEFORE, "finalizers": ["example.org/x"]},
    }
    (one,) = findings(held)
    assert one.commands == (
        'kubectl patch service x -n shop --type=merge -p \'{"metadata":{"finalizers":null}}\'',
    )
