"""StatefulSets, Jobs, CronJobs, autoscalers, templates and resizes at the API: no controller runs here."""

import json
from typing import Any

import pytest
import pytest_asyncio

from integration.conftest import Kubectl
from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.client.interface import JSON_PATCH, STRATEGIC_MERGE_PATCH, Client
from pinnace.testing.api_server import ApiServerInProcess

Object = dict[str, Any]
ACCOUNT = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
POD = {"containers": [{"name": "c", "image": "i"}]}
FINISHING = {"spec": {**POD, "restartPolicy": "Never"}}


@pytest_asyncio.fixture
async def client(api_server: ApiServerInProcess) -> Client:
    made = api_server.rest_client()
    await made.create(r.SERVICE_ACCOUNTS, ACCOUNT, "default")
    return made


def obj(gvr: Any, name: str = "x", labels: dict[str, str] | None = None, **body: Any) -> Object:
    row = r.BY_GVR[gvr]
    metadata: Object = {"name": name, "namespace": "default"}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": gvr.api_version, "kind": row.kind, "metadata": metadata, **body}


def pod(*containers: Object, **spec: Any) -> Object:
    return obj(r.PODS, spec={"containers": list(containers), **spec})


def container(name: str = "c", **resources: Any) -> Object:
    return {"name": name, "image": "i", "resources": resources}


# -- jobs -------------------------------------------------------------------------------------------------------
async def test_a_job_gets_selector_and_labels_with_its_uid(client: Client) -> None:
    made = await client.create(r.JOBS, obj(r.JOBS, spec={"template": FINISHING}))
    uid = meta.uid(made)
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == {
        "job-name": "x", "batch.kubernetes.io/job-name": "x", "controller-uid": uid, "batch.kubernetes.io/controller-uid": uid,
    }  # fmt: skip
    listed = await client.list(r.JOBS, "default", field_selector="status.successful=0")
    assert [meta.name(job) for job in listed["items"]] == ["x"]


async def test_a_generated_name_reaches_the_labels_of_a_job(client: Client) -> None:
    job = obj(r.JOBS, spec={"template": FINISHING})
    job["metadata"] = {"generateName": "run-", "namespace": "default"}
    made = await client.create(r.JOBS, job)
    assert meta.name(made).startswith("run-")
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == meta.name(made)


async def test_a_jobs_status_may_not_contradict_itself(client: Client) -> None:
    await client.create(r.JOBS, obj(r.JOBS, spec={"template": FINISHING}))
    done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    with pytest.raises(errors.Invalid, match="without the SuccessCriteriaMet=true condition"):
        await client.patch(r.JOBS, "x", done, "default", subresource="status")


async def test_deleting_a_job_without_a_policy_keeps_its_pods_and_says_so(kubectl: Kubectl) -> None:
    await kubectl("create", "job", "j", "--image=i")
    answer = await kubectl("delete", "--raw", "/apis/batch/v1/namespaces/default/jobs/j")
    assert "child pods are preserved by default when jobs are deleted" in answer.err
    left = json.loads((await kubectl("get", "job", "j", "-o", "json")).out)
    assert left["metadata"]["finalizers"] == ["orphan"]


# -- autoscalers ------------------------------------------------------------------------------------------------
SCALED = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}  # fmt: skip


async def test_autoscalers_are_the_same_objects_in_both_versions(client: Client) -> None:
    old = obj(r.HORIZONTAL_POD_AUTOSCALERS_V1, spec={"maxReplicas": 3, "scaleTargetRef": SCALED, "targetCPUUtilizationPercentage": 55})  # fmt: skip
    made = await client.create(r.HORIZONTAL_POD_AUTOSCALERS_V1, old)
    assert made["apiVersion"] == "autoscaling/v1"
    new = await client.get(r.HORIZONTAL_POD_AUTOSCALERS, "x", "default")
    assert (new["apiVersion"], meta.uid(new)) == ("autoscaling/v2", meta.uid(made))
    assert new["spec"]["metrics"] == [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 55}},
        }
    ]
    new["spec"]["metrics"].append(MEMORY)
    new["spec"]["behavior"] = {"scaleDown": {"selectPolicy": "Disabled"}}
    await client.update(r.HORIZONTAL_POD_AUTOSCALERS, new)
    shown = await client.get(r.HORIZONTAL_POD_AUTOSCALERS_V1, "x", "default")
    assert "autoscaling.alpha.kubernetes.io/behavior" in shown["metadata"]["annotations"]
    shown["spec"]["maxReplicas"] = 7
    await client.update(r.HORIZONTAL_POD_AUTOSCALERS_V1, shown)
    kept = await client.get(r.HORIZONTAL_POD_AUTOSCALERS, "x", "default")
    assert kept["spec"]["maxReplicas"] == 7
    assert MEMORY in kept["spec"]["metrics"]
    assert kept["spec"]["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    assert "annotations" not in kept["metadata"]
    listed = await client.list(r.HORIZONTAL_POD_AUTOSCALERS_V1, "default")
    assert [item["spec"]["targetCPUUtilizationPercentage"] for item in listed["items"]] == [55]


async def test_the_status_of_an_autoscaler_through_either_version(client: Client) -> None:
    spec = {"maxReplicas": 3, "scaleTargetRef": SCALED}
    await client.create(r.HORIZONTAL_POD_AUTOSCALERS, obj(r.HORIZONTAL_POD_AUTOSCALERS, spec=spec))
    status = {"status": {"currentReplicas": 2, "desiredReplicas": 3, "conditions": [{"type": "AbleToScale", "status": "True"}]}}  # fmt: skip
    await client.patch(r.HORIZONTAL_POD_AUTOSCALERS, "x", status, "default", subresource="status")
    one = await client.patch(
        r.HORIZONTAL_POD_AUTOSCALERS_V1, "x", {"status": {"currentCPUUtilizationPercentage": 9}}, "default", subresource="status",
    )  # fmt: skip
    assert one["status"]["currentCPUUtilizationPercentage"] == 9
    two = (await client.get(r.HORIZONTAL_POD_AUTOSCALERS, "x", "default"))["status"]
    assert two["conditions"] == status["status"]["conditions"]
    assert two["currentMetrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 9}}}
    ]


async def test_a_bad_autoscaler_of_v1_is_refused_in_the_words_of_v2(client: Client) -> None:
    bad = obj(r.HORIZONTAL_POD_AUTOSCALERS_V1, spec={"maxReplicas": 0, "scaleTargetRef": SCALED})
    with pytest.raises(errors.Invalid, match=r"spec.maxReplicas: Invalid value: 0: must be greater than 0"):
        await client.create(r.HORIZONTAL_POD_AUTOSCALERS_V1, bad)
    bad["spec"]["maxReplicas"] = 1
    bad["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": "{"}
    with pytest.raises(errors.BadRequest):
        await client.create(r.HORIZONTAL_POD_AUTOSCALERS_V1, bad)


# -- templates, sets --------------------------------------------------------------------------------------------
@pytest.mark.conformance("[sig-node] PodTemplates should run the lifecycle of PodTemplates [Conformance]")
async def test_the_life_of_a_pod_template(client: Client) -> None:
    made = await client.create(
        r.POD_TEMPLATES, obj(r.POD_TEMPLATES, labels={"static": "yes"}, template={"spec": POD})
    )
    assert made["template"]["spec"]["restartPolicy"] == "Always"
    assert made["metadata"]["generation"] == 1
    await client.patch(r.POD_TEMPLATES, "x", {"metadata": {"labels": {"patched": "yes"}}}, "default")
    assert (await client.get(r.POD_TEMPLATES, "x", "default"))["metadata"]["labels"]["patched"] == "yes"
    listed = await client.list(r.POD_TEMPLATES, label_selector="static=yes,patched=yes")
    assert len(listed["items"]) == 1
    await client.delete(r.POD_TEMPLATES, "x", "default")
    assert (await client.list(r.POD_TEMPLATES, label_selector="static=yes"))["items"] == []


@pytest.mark.conformance("[sig-node] PodTemplates should delete a collection of pod templates [Conformance]")
async def test_pod_templates_are_deleted_by_label(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.create(
            r.POD_TEMPLATES, obj(r.POD_TEMPLATES, name, {"set": "one"}, template={"spec": POD})
        )
    assert len((await client.list(r.POD_TEMPLATES, "default", label_selector="set=one"))["items"]) == 3
    await client.delete_collection(r.POD_TEMPLATES, "default", label_selector="set=one")
    assert (await client.list(r.POD_TEMPLATES, "default", label_selector="set=one"))["items"] == []


@pytest.mark.conformance("[sig-node] PodTemplates should replace a pod template [Conformance]")
async def test_a_pod_template_is_replaced(client: Client) -> None:
    made = await client.create(r.POD_TEMPLATES, obj(r.POD_TEMPLATES, template={"spec": POD}))
    made["template"].setdefault("metadata", {})["annotations"] = {"updated": "true"}
    replaced = await client.update(r.POD_TEMPLATES, made)
    assert replaced["template"]["metadata"]["annotations"] == {"updated": "true"}
    assert replaced["metadata"]["generation"] == 2


def stateful_set(**spec: Any) -> Object:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": POD}
    whole = {"serviceName": "s", "selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return obj(r.STATEFUL_SETS, spec=whole)


async def test_the_scale_of_a_stateful_set(client: Client) -> None:
    await client.create(r.STATEFUL_SETS, stateful_set())
    scale = await client.get(r.STATEFUL_SETS, "x", "default", subresource="scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == ("Scale", {"replicas": 1}, {"replicas": 0, "selector": "a=b"})  # fmt: skip
    scale["spec"]["replicas"] = 4
    await client.update(r.STATEFUL_SETS, scale, subresource="scale")
    assert (await client.get(r.STATEFUL_SETS, "x", "default"))["spec"]["replicas"] == 4


async def test_a_stateful_set_keeps_its_claims(client: Client) -> None:
    claim = {"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    made = await client.create(r.STATEFUL_SETS, stateful_set(volumeClaimTemplates=[claim]))
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "j"
    made = await client.update(r.STATEFUL_SETS, made)
    assert made["metadata"]["generation"] == 2
    made["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = "2Gi"
    with pytest.raises(errors.Invalid, match="updates to statefulset spec for fields other than 'replicas'"):
        await client.update(r.STATEFUL_SETS, made)


async def test_component_statuses_tell_of_the_store(kubectl: Kubectl) -> None:
    answer = await kubectl("get", "componentstatuses")
    assert "Warning: v1 ComponentStatus is deprecated in v1.19+" in answer.err
    assert answer.out.split() == ["NAME", "STATUS", "MESSAGE", "ERROR", "etcd-0", "Healthy", "ok"]
    assert json.loads((await kubectl("get", "cs", "etcd-0", "-o", "json")).out)["conditions"] == [
        {"type": "Healthy", "status": "True", "message": "ok"}
    ]
    await kubectl("get", "cs", "other", code=1)


# -- resizing ---------------------------------------------------------------------------------------------------
BURSTABLE = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}


def amounts(cpu: str, memory: str) -> Object:
    return {"cpu": cpu, "memory": memory}


async def resize(client: Client, *containers: Object, **spec: Any) -> Object:
    change = {"spec": {"containers": list(containers), **spec}}
    return await client.patch(
        r.PODS, "x", change, "default", content_type=STRATEGIC_MERGE_PATCH, subresource="resize"
    )


async def test_a_resize_changes_amounts_and_counts_as_a_generation(client: Client) -> None:
    made = await client.create(r.PODS, pod(container(**BURSTABLE)))
    assert made["metadata"]["generation"] == 1
    wanted = {"requests": amounts("150m", "64Mi"), "limits": amounts("300m", "128Mi")}
    resized = await resize(client, {"name": "c", "resources": wanted})
    assert resized["spec"]["containers"][0]["resources"] == wanted
    assert resized["metadata"]["generation"] == 2
    assert (await resize(client, {"name": "c", "resources": wanted}))["metadata"]["generation"] == 2
    read = await client.get(r.PODS, "x", "default", subresource="resize")
    assert read["spec"]["containers"][0]["resources"] == wanted
    with pytest.raises(errors.Invalid, match="pod updates may not change fields other than"):
        await client.patch(
            r.PODS, "x", {"spec": {"containers": [{"name": "c", "resources": BURSTABLE}]}}, "default"
        )


async def test_a_resize_may_be_a_replacement_and_changes_nothing_else(client: Client) -> None:
    made = await client.create(r.PODS, pod(container(**BURSTABLE)))
    made["spec"]["containers"][0]["resources"]["requests"] = amounts("120m", "64Mi")
    made["spec"]["containers"][0]["image"] = "other"
    made["metadata"]["labels"] = {"new": "label"}
    resized = await client.update(r.PODS, made, subresource="resize")
    assert resized["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "120m"
    assert resized["spec"]["containers"][0]["image"] == "i"
    assert "labels" not in resized["metadata"]


INIT = [{"name": "i", "image": "i", "resources": {"requests": amounts("10m", "1Mi")}}]
REFUSED = [
    ({"requests": {"cpu": "500m"}}, r"spec.containers\[0\].resources.requests: Invalid value: \"500m\": must be less than or equal to cpu limit of 200m"),
    ({"requests": {"memory": None}, "limits": {"memory": None}}, r"spec.containers\[0\].resources.requests: Forbidden: resource requests cannot be removed"),
    ({"limits": {"cpu": None}}, r"spec.containers\[0\].resources.limits: Forbidden: resource limits cannot be removed"),
    ({"requests": {"ephemeral-storage": "1Gi"}}, "spec: Forbidden: only cpu and memory resources are mutable"),
    ({"requests": amounts("200m", "128Mi")}, 'spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing'),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), REFUSED)
async def test_what_a_resize_may_not_ask_for(client: Client, change: Object, message: str) -> None:
    await client.create(r.PODS, pod(container(**BURSTABLE)))
    with pytest.raises(errors.Invalid, match=message):
        await resize(client, {"name": "c", "resources": change})
    assert (await client.get(r.PODS, "x", "default"))["metadata"]["generation"] == 1


async def test_the_containers_of_a_resize_are_those_of_the_pod(client: Client) -> None:
    await client.create(r.PODS, pod(container(**BURSTABLE), container("d", **BURSTABLE), initContainers=INIT))
    swapped = [{"op": "replace", "path": "/spec/containers", "value": [container("d", **BURSTABLE), container(**BURSTABLE)]}]  # fmt: skip
    with pytest.raises(
        errors.Invalid, match="Forbidden: containers may not be renamed or reordered on resize"
    ):
        await client.patch(r.PODS, "x", swapped, "default", content_type=JSON_PATCH, subresource="resize")
    with pytest.raises(errors.Invalid, match="Forbidden: containers may not be added or removed on resize"):
        await resize(client, container("e", **BURSTABLE))
    grown = [{"name": "i", "resources": {"requests": {"cpu": "20m"}}}]
    with pytest.raises(errors.Invalid, match="resources for non-sidecar init containers are immutable"):
        await client.patch(r.PODS, "x", {"spec": {"initContainers": grown}}, "default", subresource="resize")


async def test_a_running_container_is_resized_only_where_its_kubelet_reports_resources(
    client: Client,
) -> None:
    await client.create(r.PODS, pod(container(**BURSTABLE)))
    running: Object = {
        "name": "c",
        "image": "i",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "state": {"running": {}},
    }
    await client.patch(
        r.PODS, "x", {"status": {"containerStatuses": [running]}}, "default", subresource="status"
    )
    change = {"name": "c", "resources": {"requests": {"cpu": "110m"}}}
    with pytest.raises(errors.Invalid, match="Pod running on node without support for resize"):
        await resize(client, change)
    running["resources"] = BURSTABLE
    await client.patch(
        r.PODS, "x", {"status": {"containerStatuses": [running]}}, "default", subresource="status"
    )
    assert (await resize(client, change))["metadata"]["generation"] == 2


@pytest.mark.conformance(
    "[sig-node] Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful delete [Conformance]"
)
async def test_generations_of_pods(client: Client) -> None:
    first = pod(container())
    first["metadata"]["generation"] = 100
    made = await client.create(r.PODS, first)
    assert made["metadata"]["generation"] == 1
    bound = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "x"},
        "target": {"kind": "Node", "name": "n"},
    }
    await client.create(r.PODS, bound, "default", name="x", subresource="binding")
    before = (await client.get(r.PODS, "x", "default"))["metadata"]["generation"]
    await client.delete(r.PODS, "x", "default", grace_period_seconds=30)
    leaving = await client.get(r.PODS, "x", "default")
    assert leaving["metadata"]["generation"] == before + 1
    assert leaving["metadata"]["deletionGracePeriodSeconds"] == 30


# -- kubectl ----------------------------------------------------------------------------------------------------
@pytest.mark.slow
async def test_kubectl_creates_and_shows_these_kinds(kubectl: Kubectl) -> None:
    await kubectl("create", "job", "j", "--image=i")
    await kubectl("create", "cronjob", "c", "--image=i", "--schedule=*/5 * * * *")
    sets = [stateful_set(), obj(r.REPLICATION_CONTROLLERS, "rc", spec={"template": {"metadata": {"labels": {"a": "b"}}, "spec": POD}})]  # fmt: skip
    await kubectl("create", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": sets}))
    await kubectl("autoscale", "statefulset", "x", "--max=3", "--cpu-percent=50")
    await kubectl("scale", "rc", "rc", "--replicas=2")
    await kubectl("scale", "statefulset", "x", "--replicas=2")
    out = (await kubectl("get", "jobs,cronjobs,statefulsets,rc,hpa")).out
    for words in (
        ["job.batch/j", "Running", "0/1"],
        ["cronjob.batch/c", "*/5", "*", "*", "*", "*", "<none>", "False", "0", "<none>"],
        ["statefulset.apps/x", "0/2"],
        ["replicationcontroller/rc", "2", "0", "0"],
        ["horizontalpodautoscaler.autoscaling/x", "StatefulSet/x", "cpu:", "<unknown>/50%", "1", "3", "0"],
    ):
        assert any(line.split()[: len(words)] == words for line in out.splitlines()), (words, out)
    assert "Schedule:                      */5 * * * *" in (await kubectl("describe", "cronjob", "c")).out
    assert (
        "Selector:         batch.kubernetes.io/controller-uid=" in (await kubectl("describe", "job", "j")).out
    )
    assert "Reference:" in (await kubectl("describe", "hpa", "x")).out
    assert "Replicas:     0 current / 2 desired" in (await kubectl("describe", "rc", "rc")).out
    assert "Update Strategy:" in (await kubectl("describe", "statefulset", "x")).out
    await kubectl("delete", "jobs,cronjobs,hpa", "--all")


async def test_a_job_from_a_cron_job(kubectl: Kubectl) -> None:
    await kubectl("create", "cronjob", "c", "--image=i", "--schedule=@daily")
    await kubectl("create", "job", "now", "--from=cronjob/c")
    job = json.loads((await kubectl("get", "job", "now", "-o", "json")).out)
    assert job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    await kubectl("create", "cronjob", "d", "--image=i", "--schedule=61 * * * *", code=1)


async def test_discovery_prefers_the_newer_version(api_server: ApiServerInProcess) -> None:
    group = await api_server.rest_client().raw("GET", "/apis/autoscaling")
    assert [version["version"] for version in group["versions"]] == ["v2", "v1"]
    assert group["preferredVersion"]["version"] == "v2"
    hashes = {
        next(
            entry["storageVersionHash"]
            for entry in (await api_server.rest_client().raw("GET", f"/apis/autoscaling/{version}"))[
                "resources"
            ]
            if entry["name"] == "horizontalpodautoscalers"
        )
        for version in ("v1", "v2")
    }
    assert len(hashes) == 1
