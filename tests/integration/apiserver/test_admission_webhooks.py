"""Admission webhooks end to end: a webhook server in this process, configured through the API."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.extension_server import ExtensionServer

Object = dict[str, Any]
PREFIX = "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] "
MUTATING, VALIDATING = r.MUTATING_WEBHOOK_CONFIGURATIONS, r.VALIDATING_WEBHOOK_CONFIGURATIONS


class Webhook(ExtensionServer):
    """One path for each behaviour, as upstream's agnhost webhook; `seen` holds the requests in order."""

    def __init__(self, api: ApiServerInProcess) -> None:
        super().__init__(api, "e2e-test-webhook", self._serve)
        self.seen: list[Object] = []

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        review = await http.json()
        request = review["request"]
        self.seen.append(request)
        if http.path == "/slow":
            await asyncio.sleep(2)
        answer = {"uid": request["uid"], **BEHAVIOURS[http.path](request)}
        return web.json_response(
            {"kind": review["kind"], "apiVersion": review["apiVersion"], "response": answer}
        )


def patched(*operations: Object) -> Object:
    encoded = base64.b64encode(orjson.dumps(list(operations))).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


def denied(message: str, **status: Any) -> Object:
    return {"allowed": False, "status": {"message": message, **status}}


def data(request: Object) -> Object:
    return (request.get("object") or {}).get("data") or {}


def deny_disallowed(request: Object) -> Object:
    if data(request).get("webhook-e2e-test") == "webhook-disallow":
        return denied("the configmap contains unwanted key and value", reason="no reason")
    return {"allowed": True}


def deny_pod(request: Object) -> Object:
    names = [c["name"] for c in request["object"]["spec"]["containers"]]
    labels = request["object"]["metadata"].get("labels") or {}
    if any("webhook-disallow" in name for name in names) or labels.get("webhook-e2e-test") == "disallow":
        return denied("the pod contains unwanted container name; the pod contains unwanted label")
    return {"allowed": True}


def add_stage(key: str, after: str = "") -> Any:
    def decide(request: Object) -> Object:
        if request.get("object") is None or (after and after not in data(request)):
            return {"allowed": True}
        return patched({"op": "add", "path": f"/data/{key}", "value": "yes"})

    return decide


def add_init_container(_: Object) -> Object:
    container = {"name": "webhook-added-init-container", "image": "x"}
    return patched({"op": "add", "path": "/spec/initContainers", "value": [container]})


def add_label(_: Object) -> Object:
    return patched({"op": "add", "path": "/metadata/labels", "value": {"added": "yes"}})


BEHAVIOURS: dict[str, Any] = {
    "/configmaps": deny_disallowed,
    "/pods": deny_pod,
    "/always-deny": lambda _: denied("this webhook denies all requests"),
    "/silent": lambda _: {"allowed": False},
    "/teapot": lambda _: denied("short and stout", code=418, reason="Teapot"),
    "/allow": lambda _: {
        "allowed": True,
        "warnings": ["mind the gap"],
        "auditAnnotations": {"why": "because"},
    },
    "/slow": lambda _: {"allowed": True},
    "/add-1": add_stage("mutation-stage-1", "mutation-start"),
    "/add-2": add_stage("mutation-stage-2", "mutation-stage-1"),
    "/add-3": add_stage("mutation-stage-3", "mutation-stage-2"),
    "/always-add": add_stage("mutated"),
    "/init": add_init_container,
    "/label": add_label,
    "/scale": lambda _: patched({"op": "replace", "path": "/spec/replicas", "value": 3}),
    "/bad-patch": lambda _: patched({"op": "remove", "path": "/data/none"}),
    "/odd-uid": lambda _: {"allowed": True, "uid": "other"},
}


@pytest_asyncio.fixture
async def hook(api_server: ApiServerInProcess) -> AsyncGenerator[Webhook, None]:
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await api_server.local_client().create(r.SERVICE_ACCOUNTS, account, "default")
    async with Webhook(api_server) as server:
        yield server


@pytest.fixture
def client(rest_client: RestClient) -> RestClient:
    return rest_client


def rule(
    *resources: str, group: str = "", operations: tuple[str, ...] = ("CREATE",), version: str = "v1"
) -> Object:
    return {
        "operations": list(operations),
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": list(resources),
    }


def spec(hook: Webhook, path: str, *rules: Object, name: str = "x", **more: Any) -> Object:
    return {
        "name": f"{name}.k8s.io", "rules": list(rules), "clientConfig": hook.client_config(path),
        "sideEffects": "None", "admissionReviewVersions": ["v1", "v1beta1"], **more,
    }  # fmt: skip


async def register(
    client: RestClient, gvr: GVR, *hooks: Object, name: str = "test", labels: Any = None
) -> Object:
    kind = r.BY_GVR[gvr].kind
    metadata = {"name": name, "labels": labels or {}}
    return await client.create(
        gvr, {"kind": kind, "apiVersion": gvr.api_version, "metadata": metadata, "webhooks": list(hooks)}
    )


def config_map(name: str, namespace: str = "default", **values: str) -> Object:
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace},
        "data": values,
    }


DISALLOWED = {"webhook-e2e-test": "webhook-disallow"}


def pod(name: str, container: str = "main") -> Object:
    containers = [{"name": container, "image": "x"}]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": {"containers": containers}}


@pytest.mark.conformance(PREFIX + "should include webhook resources in discovery documents [Conformance]")
async def test_discovery_lists_the_configurations(client: RestClient) -> None:
    groups = {group["name"]: group for group in (await client.raw("GET", "/apis"))["groups"]}
    assert {"groupVersion": "admissionregistration.k8s.io/v1", "version": "v1"} in groups[
        "admissionregistration.k8s.io"
    ]["versions"]
    listed = await client.raw("GET", "/apis/admissionregistration.k8s.io/v1")
    names = {entry["name"] for entry in listed["resources"]}
    assert {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"} <= names


@pytest.mark.conformance(PREFIX + "should be able to deny pod and configmap creation [Conformance]")
async def test_pods_and_config_maps_are_denied(hook: Webhook, client: RestClient) -> None:
    exempt = {"matchExpressions": [{"key": "exempted", "operator": "NotIn", "values": ["yes"]}]}
    writes = ("CREATE", "UPDATE")
    await register(
        client, VALIDATING,
        spec(hook, "/pods", rule("pods", operations=writes), name="deny-pods", namespaceSelector=exempt),
        spec(hook, "/configmaps", rule("configmaps", operations=writes), name="deny-maps", namespaceSelector=exempt),
        spec(hook, "/slow", rule("services"), name="hang", timeoutSeconds=1),
    )  # fmt: skip
    with pytest.raises(errors.StatusError) as refused:
        await client.create(r.PODS, pod("no", "webhook-disallow"), "default")
    assert refused.value.message == (
        'admission webhook "deny-pods.k8s.io" denied the request: '
        "the pod contains unwanted container name; the pod contains unwanted label"
    )
    assert refused.value.code == 400
    with pytest.raises(
        errors.StatusError, match=r'"deny-maps.k8s.io" denied the request: the configmap contains'
    ):
        await client.create(r.CONFIG_MAPS, config_map("no", **DISALLOWED))
    service = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 1}]},
    }
    with pytest.raises(errors.InternalError, match=r"timeout=1s.: context deadline exceeded"):
        await client.create(r.SERVICES, service, "default")
    made = await client.create(r.CONFIG_MAPS, config_map("yes", a="b"))
    with pytest.raises(errors.StatusError, match="denied the request"):
        await client.update(r.CONFIG_MAPS, {**made, "data": DISALLOWED})
    with pytest.raises(errors.StatusError, match="denied the request"):
        await client.patch(r.CONFIG_MAPS, "yes", {"data": DISALLOWED}, "default")
    await client.create(r.PODS, pod("yes"), "default")
    with pytest.raises(errors.StatusError, match="denied the request"):
        await client.patch(
            r.PODS, "yes", {"metadata": {"labels": {"webhook-e2e-test": "disallow"}}}, "default"
        )
    namespace = {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": "skip", "labels": {"exempted": "yes"}},
    }
    await client.create(r.NAMESPACES, namespace)
    await client.create(r.CONFIG_MAPS, config_map("no", "skip", **DISALLOWED))


@pytest.mark.conformance(PREFIX + "should be able to deny attaching pod [Conformance]")
async def test_attaching_is_denied(hook: Webhook, client: RestClient) -> None:
    await register(
        client, VALIDATING, spec(hook, "/always-deny", rule("pods/attach", operations=("CONNECT",)))
    )
    await client.create(r.PODS, pod("to-be-attached"), "default")
    path = r.PODS.path("default", "to-be-attached", "attach")
    with pytest.raises(errors.StatusError, match="denied the request: this webhook denies all requests"):
        await client.raw("POST", path, query={"container": "main", "stdout": "true"})
    asked = hook.seen[-1]
    assert asked["operation"] == "CONNECT"
    assert (asked["name"], asked["namespace"], asked["subResource"]) == (
        "to-be-attached",
        "default",
        "attach",
    )
    assert asked["object"] == {
        "kind": "PodAttachOptions",
        "apiVersion": "v1",
        "stdout": True,
        "container": "main",
    }
    assert (asked["oldObject"], asked["options"]) == (None, None)


@pytest.mark.conformance(PREFIX + "should honor timeout [Conformance]")
async def test_timeouts_and_failure_policies(hook: Webhook, client: RestClient) -> None:
    slow = spec(hook, "/slow", rule("configmaps"))
    await register(client, VALIDATING, {**slow, "timeoutSeconds": 1, "failurePolicy": "Fail"})
    with pytest.raises(errors.InternalError) as late:
        await client.create(r.CONFIG_MAPS, config_map("late"))
    assert late.value.message == (
        'Internal error occurred: failed calling webhook "x.k8s.io": failed to call webhook: '
        'Post "https://e2e-test-webhook.default.svc:443/slow?timeout=1s": context deadline exceeded'
    )
    for name, changes in (
        ("ignored", {"timeoutSeconds": 1, "failurePolicy": "Ignore"}),
        ("longer", {"timeoutSeconds": 10}),
        ("default", {}),
    ):
        await client.delete(VALIDATING, "test")
        await register(client, VALIDATING, {**slow, **changes})
        await client.create(r.CONFIG_MAPS, config_map(name))


@pytest.mark.conformance(
    PREFIX + "should unconditionally reject operations on fail closed webhook [Conformance]"
)
async def test_a_webhook_that_cannot_be_called_refuses_everything(hook: Webhook, client: RestClient) -> None:
    closed = spec(hook, "/configmaps", rule("configmaps"))
    closed["clientConfig"] = {"service": closed["clientConfig"]["service"]}
    await register(client, VALIDATING, closed)
    with pytest.raises(errors.InternalError, match="x509: certificate signed by unknown authority"):
        await client.create(r.CONFIG_MAPS, config_map("fail-closed"))


@pytest.mark.conformance(PREFIX + "should mutate configmap [Conformance]")
async def test_mutations_come_in_order(hook: Webhook, client: RestClient) -> None:
    await register(
        client, MUTATING, spec(hook, "/add-1", rule("configmaps"), name="one"),
        spec(hook, "/add-2", rule("configmaps"), name="two"),
    )  # fmt: skip
    made = await client.create(r.CONFIG_MAPS, config_map("m", **{"mutation-start": "yes"}))
    assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}
    assert (await client.get(r.CONFIG_MAPS, "m", "default"))["data"] == made["data"]


@pytest.mark.conformance(PREFIX + "should mutate pod and apply defaults after mutation [Conformance]")
async def test_defaults_follow_a_mutation(hook: Webhook, client: RestClient) -> None:
    await register(client, MUTATING, spec(hook, "/init", rule("pods")))
    made = await client.create(r.PODS, pod("p"), "default")
    added = made["spec"]["initContainers"][0]
    assert added["name"] == "webhook-added-init-container"
    assert added["terminationMessagePolicy"] == "File"
    mounts = [mount["mountPath"] for mount in added["volumeMounts"]]
    assert mounts == ["/var/run/secrets/kubernetes.io/serviceaccount"], "plugins see what a webhook added"


@pytest.mark.conformance(
    PREFIX + "should not be able to mutate or prevent deletion of webhook configuration objects [Conformance]"
)
async def test_configurations_are_exempt(hook: Webhook, client: RestClient) -> None:
    everything = rule("*/*", group="*", operations=("*",), version="*")
    await register(client, MUTATING, spec(hook, "/label", everything), name="mutate-all")
    await register(client, VALIDATING, spec(hook, "/always-deny", everything), name="deny-all")
    for gvr in (MUTATING, VALIDATING):
        made = await register(client, gvr, spec(hook, "/label", rule("pods")), name="dummy")
        assert "labels" not in made["metadata"]
        await client.delete(gvr, "dummy")
    assert hook.seen == []
    await client.delete(VALIDATING, "deny-all")


@pytest.mark.conformance(PREFIX + "patching/updating a validating webhook should work [Conformance]")
async def test_a_validating_configuration_takes_effect_when_changed(
    hook: Webhook, client: RestClient
) -> None:
    made = await register(client, VALIDATING, spec(hook, "/configmaps", rule("configmaps")))
    with pytest.raises(errors.StatusError, match="denied the request"):
        await client.create(r.CONFIG_MAPS, config_map("a", **DISALLOWED))
    made["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
    await client.update(VALIDATING, made)
    await client.create(r.CONFIG_MAPS, config_map("b", **DISALLOWED))
    change = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]
    await client.patch(VALIDATING, "test", change, content_type="application/json-patch+json")
    with pytest.raises(errors.StatusError, match="denied the request"):
        await client.create(r.CONFIG_MAPS, config_map("c", **DISALLOWED))


@pytest.mark.conformance(PREFIX + "patching/updating a mutating webhook should work [Conformance]")
async def test_a_mutating_configuration_takes_effect_when_changed(hook: Webhook, client: RestClient) -> None:
    made = await register(client, MUTATING, spec(hook, "/add-1", rule("configmaps")))
    made["webhooks"][0]["rules"][0]["operations"] = ["UPDATE"]
    await client.update(MUTATING, made)
    start = {"mutation-start": "yes"}
    assert (await client.create(r.CONFIG_MAPS, config_map("a", **start)))["data"] == start
    change = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}]
    await client.patch(MUTATING, "test", change, content_type="application/json-patch+json")
    assert "mutation-stage-1" in (await client.create(r.CONFIG_MAPS, config_map("b", **start)))["data"]


@pytest.mark.conformance(PREFIX + "listing validating webhooks should work [Conformance]")
async def test_a_collection_of_validating_configurations(hook: Webhook, client: RestClient) -> None:
    for number in range(10):
        await register(
            client,
            VALIDATING,
            spec(hook, "/configmaps", rule("configmaps")),
            name=f"v{number}",
            labels={"e2e": "v"},
        )
    assert len((await client.list(VALIDATING, label_selector="e2e=v"))["items"]) == 10
    with pytest.raises(errors.StatusError, match="denied the request"):
        await client.create(r.CONFIG_MAPS, config_map("a", **DISALLOWED))
    await client.delete_collection(VALIDATING, label_selector="e2e=v")
    await client.create(r.CONFIG_MAPS, config_map("b", **DISALLOWED))


@pytest.mark.conformance(PREFIX + "listing mutating webhooks should work [Conformance]")
async def test_a_collection_of_mutating_configurations(hook: Webhook, client: RestClient) -> None:
    for number in range(10):
        await register(
            client, MUTATING, spec(hook, "/add-1", rule("configmaps")), name=f"m{number}", labels={"e2e": "m"}
        )
    assert len((await client.list(MUTATING, label_selector="e2e=m"))["items"]) == 10
    start = {"mutation-start": "yes"}
    assert "mutation-stage-1" in (await client.create(r.CONFIG_MAPS, config_map("a", **start)))["data"]
    await client.delete_collection(MUTATING, label_selector="e2e=m")
    assert (await client.create(r.CONFIG_MAPS, config_map("b", **start)))["data"] == start


# -- beyond the suite ------------------------------------------------------------------------------------------


async def test_a_review_tells_everything(hook: Webhook, client: RestClient) -> None:
    await register(client, VALIDATING, spec(hook, "/allow", rule("configmaps", operations=("*",))))
    await client.create(r.CONFIG_MAPS, config_map("a", k="1"), field_manager="me", dry_run=True)
    asked = hook.seen[-1]
    kind, resource = (
        {"group": "", "version": "v1", "kind": "ConfigMap"},
        {"group": "", "version": "v1", "resource": "configmaps"},
    )
    assert asked["kind"] == asked["requestKind"] == kind
    assert asked["resource"] == asked["requestResource"] == resource
    assert (asked["name"], asked["namespace"], asked["operation"]) == ("a", "default", "CREATE")
    assert asked["userInfo"]["username"] == "kubernetes-admin"
    assert "system:masters" in asked["userInfo"]["groups"]
    assert (asked["dryRun"], asked["oldObject"]) == (True, None)
    assert asked["object"]["data"] == {"k": "1"}
    options = {
        "kind": "CreateOptions",
        "apiVersion": "meta.k8s.io/v1",
        "dryRun": ["All"],
        "fieldManager": "me",
    }
    assert asked["options"] == options
    await client.create(r.CONFIG_MAPS, config_map("a", k="1"))
    await client.patch(r.CONFIG_MAPS, "a", {"data": {"k": "2"}}, "default")
    asked = hook.seen[-1]
    assert (asked["operation"], asked["options"]["kind"]) == ("UPDATE", "UpdateOptions")
    assert (asked["oldObject"]["data"], asked["object"]["data"]) == ({"k": "1"}, {"k": "2"})
    await client.delete(r.CONFIG_MAPS, "a", "default", propagation_policy="Foreground")
    asked = hook.seen[-1]
    assert (asked["operation"], asked["object"], asked["oldObject"]["data"]) == ("DELETE", None, {"k": "2"})
    assert asked["options"]["propagationPolicy"] == "Foreground"


async def test_subresources_show_their_own_bodies(hook: Webhook, client: RestClient) -> None:
    await register(
        client, VALIDATING, spec(hook, "/allow", rule("*/*", group="*", operations=("*",), version="*"))
    )
    await client.create(r.PODS, pod("p"), "default")
    target = {
        "kind": "Binding",
        "apiVersion": "v1",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n"},
    }
    await client.create(r.PODS, target, "default", name="p", subresource="binding")
    asked = hook.seen[-1]
    assert (asked["operation"], asked["subResource"], asked["kind"]["kind"]) == (
        "CREATE",
        "binding",
        "Binding",
    )
    assert asked["resource"]["resource"] == "pods"
    assert asked["object"]["target"]["name"] == "n"
    eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "p"}}
    await client.create(r.PODS, eviction, "default", name="p", subresource="eviction")
    asked = hook.seen[-1]
    assert (asked["subResource"], asked["kind"]) == (
        "eviction",
        {"group": "policy", "version": "v1", "kind": "Eviction"},
    )
    token = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {},
        "spec": {"audiences": ["a"]},
    }
    await client.create(r.SERVICE_ACCOUNTS, token, "default", name="default", subresource="token")
    assert hook.seen[-1]["kind"]["kind"] == "TokenRequest"
    review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    await client.create(r.SELF_SUBJECT_REVIEWS, review)
    assert hook.seen[-1]["kind"]["kind"] == "SelfSubjectReview"


async def test_a_scale_is_changed_as_a_scale(hook: Webhook, client: RestClient) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    deployment = {
        "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "d"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    }  # fmt: skip
    await client.create(r.DEPLOYMENTS, deployment, "default")
    await register(
        client,
        MUTATING,
        spec(hook, "/scale", rule("deployments/scale", group="apps", operations=("UPDATE",))),
    )
    scale = await client.patch(r.DEPLOYMENTS, "d", {"spec": {"replicas": 7}}, "default", subresource="scale")
    asked = hook.seen[-1]
    assert asked["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (asked["oldObject"]["spec"], asked["object"]["spec"]) == ({"replicas": 1}, {"replicas": 7})
    assert scale["spec"]["replicas"] == 3
    assert (await client.get(r.DEPLOYMENTS, "d", "default"))["spec"]["replicas"] == 3


async def test_a_deleted_collection_is_judged_object_by_object(hook: Webhook, client: RestClient) -> None:
    for name in ("a", "b"):
        await client.create(r.CONFIG_MAPS, config_map(name, k="v"))
    await register(client, VALIDATING, spec(hook, "/allow", rule("configmaps", operations=("DELETE",))))
    await client.delete_collection(r.CONFIG_MAPS, "default")
    assert sorted(asked["name"] for asked in hook.seen) == ["a", "b"]


async def test_a_refusal_keeps_its_code(hook: Webhook, client: RestClient) -> None:
    await register(client, VALIDATING, spec(hook, "/teapot", rule("configmaps")))
    with pytest.raises(errors.StatusError) as refused:
        await client.create(r.CONFIG_MAPS, config_map("a"))
    assert (refused.value.code, refused.value.reason) == (418, "Teapot")
    await client.delete(VALIDATING, "test")
    await register(client, VALIDATING, spec(hook, "/silent", rule("configmaps")))
    with pytest.raises(errors.StatusError, match=r'"x.k8s.io" denied the request without explanation'):
        await client.create(r.CONFIG_MAPS, config_map("a"))


async def test_calls_are_counted(hook: Webhook, api_server: ApiServerInProcess, client: RestClient) -> None:
    await register(client, VALIDATING, spec(hook, "/teapot", rule("configmaps")))
    with pytest.raises(errors.StatusError):
        await client.create(r.CONFIG_MAPS, config_map("a"))
    shown = await client.raw("GET", "/metrics")
    labels = 'code="418",name="x.k8s.io",operation="CREATE",rejected="true",type="validating"'
    assert f"apiserver_admission_webhook_request_total{{{labels}}} 1\n" in shown
    assert 'aggregator_unavailable_apiservice{name="v1.apps"} 0\n' in shown
    rejected = (
        'error_type="no_error",name="x.k8s.io",operation="CREATE",rejection_code="418",type="validating"'
    )
    assert f"apiserver_admission_webhook_rejection_count{{{rejected}}} 1\n" in shown
    took = 'name="x.k8s.io",operation="CREATE",rejected="true",type="validating"'
    assert f"apiserver_admission_webhook_admission_duration_seconds_count{{{took}}} 1\n" in shown


async def test_answers_that_do_not_fit(hook: Webhook, client: RestClient) -> None:
    await register(client, MUTATING, spec(hook, "/bad-patch", rule("configmaps")), name="bad")
    with pytest.raises(errors.InternalError, match=r"Internal error occurred: error in remove for path"):
        await client.create(r.CONFIG_MAPS, config_map("a", k="v"))
    await client.delete(MUTATING, "bad")
    await register(client, MUTATING, spec(hook, "/odd-uid", rule("configmaps")), name="odd")
    with pytest.raises(
        errors.InternalError, match=r"received invalid webhook response: expected response.uid="
    ):
        await client.create(r.CONFIG_MAPS, config_map("a", k="v"))


async def test_side_effects_forbid_dry_runs(
    hook: Webhook, api_server: ApiServerInProcess, client: RestClient
) -> None:
    """Only configurations that older servers stored may have side effects."""
    made = await register(client, VALIDATING, spec(hook, "/allow", rule("configmaps")))
    storage = api_server.server.services.registries.of(VALIDATING).storage

    async def change(item: Any) -> Object:
        return {**item.obj, "webhooks": [{**made["webhooks"][0], "sideEffects": "Some"}]}

    await storage.update("test", "", change)
    with pytest.raises(errors.BadRequest, match=r'admission webhook "x.k8s.io" does not support dry run'):
        await client.create(r.CONFIG_MAPS, config_map("a"), dry_run=True)
    await client.create(r.CONFIG_MAPS, config_map("a"))


async def test_a_webhook_is_asked_again_when_another_changed_the_object(
    hook: Webhook, client: RestClient
) -> None:
    maps = rule("configmaps")
    await register(
        client, MUTATING, spec(hook, "/add-2", maps, name="second", reinvocationPolicy="IfNeeded"),
        spec(hook, "/add-1", maps, name="first"),
    )  # fmt: skip
    made = await client.create(r.CONFIG_MAPS, config_map("a", **{"mutation-start": "yes"}))
    assert "mutation-stage-2" in made["data"]
    assert len(hook.seen) == 3, "the one that may be asked again was, the other not"


async def test_object_selectors_and_scopes(hook: Webhook, client: RestClient) -> None:
    selector = {"matchLabels": {"judged": "yes"}}
    both = rule("configmaps", "namespaces")
    await register(
        client, VALIDATING, spec(hook, "/always-deny", rule("configmaps"), objectSelector=selector),
        spec(hook, "/always-deny", {**both, "scope": "Cluster"}, name="cluster"),
    )  # fmt: skip
    await client.create(r.CONFIG_MAPS, config_map("plain"))
    labelled = config_map("labelled")
    labelled["metadata"]["labels"] = {"judged": "yes"}
    with pytest.raises(errors.StatusError, match=r'"x.k8s.io" denied'):
        await client.create(r.CONFIG_MAPS, labelled)
    with pytest.raises(errors.StatusError, match=r'"cluster.k8s.io" denied'):
        await client.create(
            r.NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "n"}}
        )
    assert (hook.seen[-1]["namespace"], hook.seen[-1]["name"]) == ("n", "n")


async def test_other_versions_match_unless_exact(hook: Webhook, client: RestClient) -> None:
    """Events are stored once and served in two groups."""
    newer = rule("events", group="events.k8s.io")
    await register(client, VALIDATING, spec(hook, "/allow", newer))
    event = {
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": "e", "namespace": "default"}, "type": "Normal",
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "reason": "R", "message": "text",
    }  # fmt: skip
    await client.create(r.EVENTS, event, "default")
    asked = hook.seen[-1]
    assert (asked["kind"]["group"], asked["requestKind"]["group"]) == ("events.k8s.io", "")
    assert (asked["object"]["apiVersion"], asked["object"]["note"]) == ("events.k8s.io/v1", "text")
    await client.delete(VALIDATING, "test")
    await register(client, VALIDATING, spec(hook, "/always-deny", newer, matchPolicy="Exact"))
    await client.create(r.EVENTS, {**event, "metadata": {"name": "f", "namespace": "default"}}, "default")


async def test_warnings_reach_the_client(
    hook: Webhook, api_server: ApiServerInProcess, client: RestClient
) -> None:
    import aiohttp

    await register(client, VALIDATING, spec(hook, "/allow", rule("configmaps")))
    url = f"{api_server.url}{r.CONFIG_MAPS.path('default')}"
    tls = api_server.tls(api_server.authority.client("kubernetes-admin", ("system:masters",)))
    async with aiohttp.ClientSession() as session, session.post(url, json=config_map("a"), ssl=tls) as answer:
        assert answer.status == 201
        assert answer.headers["Warning"] == '299 - "mind the gap"'


# -- match conditions ------------------------------------------------------------------------------------------


async def keeps_match_conditions(hook: Webhook, client: RestClient, gvr: GVR) -> None:
    first = [{"name": "expression-1", "expression": "object.metadata.namespace == 'production'"}]
    made = await register(client, gvr, spec(hook, "/allow", rule("configmaps"), matchConditions=first))
    assert made["webhooks"][0]["matchConditions"] == first
    second = [{"name": "expression-1", "expression": "object.metadata.namespace == 'staging'"}]
    made["webhooks"][0]["matchConditions"] = second
    await client.update(gvr, made)
    assert (await client.get(gvr, "test"))["webhooks"][0]["matchConditions"] == second


async def refuses_match_conditions(hook: Webhook, client: RestClient, gvr: GVR) -> None:
    wrong = [{"name": "invalid-expression-1", "expression": "... [] bad expression"}]
    with pytest.raises(errors.Invalid) as refused:
        await register(client, gvr, spec(hook, "/allow", rule("configmaps"), matchConditions=wrong))
    assert "webhooks[0].matchConditions[0].expression" in refused.value.message
    assert "compilation failed" in refused.value.message


@pytest.mark.conformance(
    PREFIX
    + "should be able to create and update validating webhook configurations with match conditions [Conformance]"
)
async def test_a_validating_configuration_keeps_its_conditions(hook: Webhook, client: RestClient) -> None:
    await keeps_match_conditions(hook, client, VALIDATING)


@pytest.mark.conformance(
    PREFIX
    + "should be able to create and update mutating webhook configurations with match conditions [Conformance]"
)
async def test_a_mutating_configuration_keeps_its_conditions(hook: Webhook, client: RestClient) -> None:
    await keeps_match_conditions(hook, client, MUTATING)


@pytest.mark.conformance(
    PREFIX + "should reject validating webhook configurations with invalid match conditions [Conformance]"
)
async def test_wrong_conditions_of_a_validating_configuration(hook: Webhook, client: RestClient) -> None:
    await refuses_match_conditions(hook, client, VALIDATING)


@pytest.mark.conformance(
    PREFIX + "should reject mutating webhook configurations with invalid match conditions [Conformance]"
)
async def test_wrong_conditions_of_a_mutating_configuration(hook: Webhook, client: RestClient) -> None:
    await refuses_match_conditions(hook, client, MUTATING)


@pytest.mark.conformance(PREFIX + "should mutate everything except 'skip-me' configmaps [Conformance]")
async def test_a_condition_spares_an_object(hook: Webhook, client: RestClient) -> None:
    conditions = [{"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}]
    await register(client, MUTATING, spec(hook, "/add-1", rule("configmaps"), matchConditions=conditions))
    start = {"mutation-start": "yes"}
    assert (await client.create(r.CONFIG_MAPS, config_map("skip-me", **start)))["data"] == start
    assert "mutation-stage-1" in (await client.create(r.CONFIG_MAPS, config_map("other", **start)))["data"]


async def test_a_condition_that_fails_follows_the_failure_policy(hook: Webhook, client: RestClient) -> None:
    conditions = [{"name": "no-key", "expression": "object.data['missing'] == 'x'"}]
    failing = spec(hook, "/always-deny", rule("configmaps"), matchConditions=conditions)
    await register(client, VALIDATING, failing)
    with pytest.raises(errors.Forbidden, match="no such key: missing"):
        await client.create(r.CONFIG_MAPS, config_map("a", k="v"))
    await client.delete(VALIDATING, "test")
    await register(client, VALIDATING, {**failing, "failurePolicy": "Ignore"})
    await client.create(r.CONFIG_MAPS, config_map("a", k="v"))
    assert hook.seen == []


async def test_conditions_may_ask_the_authorizer_and_the_request(hook: Webhook, client: RestClient) -> None:
    conditions = [
        {"name": "user", "expression": "request.userInfo.username == 'kubernetes-admin' && request.operation == 'CREATE'"},
        {"name": "may", "expression": "authorizer.group('').resource('secrets').namespace('default').check('delete').allowed()"},
    ]  # fmt: skip
    await register(
        client, VALIDATING, spec(hook, "/always-deny", rule("configmaps"), matchConditions=conditions)
    )
    with pytest.raises(errors.StatusError, match="this webhook denies all requests"):
        await client.create(r.CONFIG_MAPS, config_map("a"))


async def test_kubectl_shows_refusal_and_warning(
    api_server: ApiServerInProcess, client: RestClient, kubectl: Callable[..., Awaitable[Any]]
) -> None:
    async with Webhook(api_server) as hook:
        await register(client, VALIDATING, spec(hook, "/always-deny", rule("configmaps"), name="deny"))
        refused = await kubectl("create", "configmap", "no", "--from-literal=a=b", code=1)
        assert refused.err == (
            'error: failed to create configmap: admission webhook "deny.k8s.io" denied the request: '
            "this webhook denies all requests\n"
        )
        listed = await kubectl("get", "validatingwebhookconfigurations")
        assert listed.out.split()[:5] == ["NAME", "WEBHOOKS", "AGE", "test", "1"]
        await client.delete(VALIDATING, "test")
        await register(client, VALIDATING, spec(hook, "/allow", rule("configmaps")))
        made = await kubectl("create", "configmap", "yes", "--from-literal=a=b")
        assert made.err == "Warning: mind the gap\n"
