"""Who may do what: nodes, webhooks, reviews, roles that are kept right."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.config_files import ConfigFileError
from pinnace.apiserver.config_security import AuthorizationConfig
from pinnace.component.clock import RealClock
from pinnace.controllers.catalog import ControllersConfig
from pinnace.controllers.controllers import Controllers
from pinnace.store.memory import MemoryBackend
from pinnace.testing.api_server import ApiServerInProcess
from pinnace.testing.certificates import TestAuthority
from pinnace.testing.wait import eventually

Object = dict[str, Any]
Start = Callable[..., Awaitable[ApiServerInProcess]]
RBAC = "rbac.authorization.k8s.io"


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncGenerator[Start, None]:
    async with AsyncExitStack() as stack:

        async def begin(**changes: Any) -> ApiServerInProcess:
            return await stack.enter_async_context(ApiServerInProcess(tmp_path / "pki", **changes))

        yield begin


async def bound_pod(api: ApiServerInProcess, name: str, node: str, **spec: Any) -> Object:
    containers = [{"name": "c", "image": "i", **spec.pop("container", {})}]
    body = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": node, "containers": containers, **spec}}  # fmt: skip
    return await api.local_client().create(r.PODS, body)


async def service_account(api: ApiServerInProcess, name: str) -> Object:
    body = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"}}
    return await api.local_client().create(r.SERVICE_ACCOUNTS, body)


# -- nodes


@pytest_asyncio.fixture
async def with_nodes(start: Start) -> ApiServerInProcess:
    """Two nodes with a pod each; each pod names a Secret and a ConfigMap of its own."""
    api = await start(authorization_modes=("Node", "RBAC"), enable_admission_plugins=("NodeRestriction",))
    client = api.local_client()
    await service_account(api, "default")
    for number in ("1", "2"):
        await client.create(r.NODES, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": f"n{number}"}})
        metadata = {"name": f"own{number}", "namespace": "default"}
        await client.create(r.SECRETS, {"kind": "Secret", "apiVersion": "v1", "metadata": metadata})
        await client.create(r.CONFIG_MAPS, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata})
        volumes = [{"name": "v", "secret": {"secretName": f"own{number}"}}]
        environment = {"envFrom": [{"configMapRef": {"name": f"own{number}"}}]}
        await bound_pod(api, f"p{number}", f"n{number}", volumes=volumes, container=environment)
    return api


async def test_a_kubelet_reads_what_its_pods_name_and_nothing_else(with_nodes: ApiServerInProcess) -> None:
    kubelet = with_nodes.rest_client("system:node:n1", ("system:nodes",))
    for gvr in (r.SECRETS, r.CONFIG_MAPS):
        assert (await kubelet.get(gvr, "own1", "default"))["metadata"]["name"] == "own1"
        listed = await kubelet.list(gvr, "default", field_selector="metadata.name=own1")
        assert len(listed["items"]) == 1
        with pytest.raises(errors.Forbidden, match="no relationship found between node 'n1' and this object"):
            await kubelet.get(gvr, "own2", "default")
        with pytest.raises(errors.Forbidden, match="No Object name found"):
            await kubelet.list(gvr, "default")
    mine = await kubelet.list(r.PODS, field_selector="spec.nodeName=n1")
    assert [pod["metadata"]["name"] for pod in mine["items"]] == ["p1"]
    with pytest.raises(errors.Forbidden, match=r"can only list/watch pods with spec\.nodeName"):
        await kubelet.list(r.PODS)
    with pytest.raises(errors.Forbidden, match="cannot read all nodes, only its own Node object"):
        await kubelet.list(r.NODES)
    with pytest.raises(errors.Forbidden):
        await kubelet.get(r.PODS, "p2", "default")


async def test_a_kubelet_gets_tokens_for_its_own_pods_only(with_nodes: ApiServerInProcess) -> None:
    kubelet = with_nodes.rest_client("system:node:n1", ("system:nodes",))
    admin = with_nodes.local_client()
    own, other = [await admin.get(r.PODS, name, "default") for name in ("p1", "p2")]

    def asked(pod: Object | None) -> Object:
        spec: Object = {}
        if pod is not None:
            metadata = pod["metadata"]
            spec = {
                "boundObjectRef": {
                    "kind": "Pod",
                    "apiVersion": "v1",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                }
            }
        return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}

    async def token(pod: Object | None) -> Object:
        return await kubelet.create(
            r.SERVICE_ACCOUNTS, asked(pod), "default", name="default", subresource="token"
        )

    assert (await token(own))["status"]["token"]
    with pytest.raises(errors.Forbidden, match="bound to a pod scheduled on a different node"):
        await token(other)
    with pytest.raises(errors.Forbidden, match="node requested token not bound to a pod"):
        await token(None)


async def test_a_kubelet_gets_the_audiences_that_its_pods_ask_for(with_nodes: ApiServerInProcess) -> None:
    kubelet = with_nodes.rest_client("system:node:n1", ("system:nodes",))
    source = {"serviceAccountToken": {"path": "t", "audience": "vault"}}
    pod = await bound_pod(
        with_nodes, "asks", "n1", volumes=[{"name": "v", "projected": {"sources": [source]}}]
    )
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "asks", "uid": pod["metadata"]["uid"]}

    async def token(audience: str) -> Object:
        body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                "spec": {"audiences": [audience], "boundObjectRef": reference}}  # fmt: skip
        return await kubelet.create(r.SERVICE_ACCOUNTS, body, "default", name="default", subresource="token")

    assert (await token("vault"))["status"]["token"]
    with pytest.raises(errors.Forbidden, match='audience "bank" not found in pod spec volume'):
        await token("bank")
    rules = [{"verbs": ["request-serviceaccounts-token-audience"], "apiGroups": [""], "resources": ["bank"]}]
    await bind(with_nodes, "bank", rules, {"apiGroup": RBAC, "kind": "Group", "name": "system:nodes"})
    assert (await token("bank"))["status"]["token"]


async def test_a_kubelet_keeps_its_node_and_lease(with_nodes: ApiServerInProcess) -> None:
    kubelet = with_nodes.rest_client("system:node:n1", ("system:nodes",))
    await kubelet.patch(r.NODES, "n1", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(errors.Forbidden, match="is not allowed to modify node"):
        await kubelet.patch(r.NODES, "n2", {"metadata": {"labels": {"a": "b"}}})
    lease = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": "n1"}, "spec": {}}
    await kubelet.create(r.LEASES, lease, "kube-node-lease")
    assert (await kubelet.get(r.LEASES, "n1", "kube-node-lease"))["metadata"]["name"] == "n1"
    with pytest.raises(errors.Forbidden, match="with the same name as the requesting node"):
        await kubelet.get(r.LEASES, "n2", "kube-node-lease")


async def test_a_kubelet_does_not_choose_labels_that_place_pods(with_nodes: ApiServerInProcess) -> None:
    kubelet = with_nodes.rest_client("system:node:n1", ("system:nodes",))
    allowed = {
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": "z",
        "node.kubernetes.io/x": "y",
        "own/label": "v",
    }
    await kubelet.patch(r.NODES, "n1", {"metadata": {"labels": allowed}})
    for label in ("node-restriction.kubernetes.io/secure", "kubernetes.io/role", "other.k8s.io/x"):
        with pytest.raises(errors.Forbidden) as refused:
            await kubelet.patch(r.NODES, "n1", {"metadata": {"labels": {label: "x"}}})
        assert f'node "n1" is not allowed to modify labels: {label}' in refused.value.message
    with pytest.raises(errors.Forbidden, match="is not allowed to modify taints"):
        await kubelet.patch(r.NODES, "n1", {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}})
    unknown = with_nodes.rest_client("system:node:n3", ("system:nodes",))
    node = {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": "n3", "labels": {"kubernetes.io/role": "x"}},
    }
    with pytest.raises(
        errors.Forbidden, match=r"is not allowed to set the following labels: kubernetes\.io/role"
    ):
        await unknown.create(r.NODES, node)


async def test_a_kubelet_makes_mirror_pods_only_and_ends_only_its_own(with_nodes: ApiServerInProcess) -> None:
    kubelet = with_nodes.rest_client("system:node:n1", ("system:nodes",))

    def mirror(**spec: Any) -> Object:
        annotations = {"kubernetes.io/config.mirror": "x"}
        metadata = {"name": "static", "namespace": "default", "annotations": annotations}
        containers = [{"name": "c", "image": "i"}]
        return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata,
                "spec": {"nodeName": "n1", "containers": containers, **spec}}  # fmt: skip

    for body, why in (
        ({**mirror(), "metadata": {"name": "x"}}, "can only create mirror pods"),
        (mirror(nodeName="n2"), "can only create pods with spec.nodeName set to itself"),
        (mirror(serviceAccountName="default"), "a mirror pod may not reference service accounts"),
        (mirror(volumes=[{"name": "v", "secret": {"secretName": "own1"}}]), "reference secrets"),
    ):
        with pytest.raises(errors.Forbidden) as refused:
            await kubelet.create(r.PODS, body, "default")
        assert why in refused.value.message
    await kubelet.create(r.PODS, mirror(), "default")
    eviction = {
        "kind": "Eviction",
        "apiVersion": "policy/v1",
        "metadata": {"name": "p2", "namespace": "default"},
    }
    with pytest.raises(errors.Forbidden, match=r"can only evict pods with spec\.nodeName"):
        await kubelet.create(r.PODS, eviction, "default", name="p2", subresource="eviction")
    with pytest.raises(errors.Forbidden, match=r"can only delete pods with spec\.nodeName"):
        await kubelet.delete(r.PODS, "p2", "default")
    await kubelet.patch(r.PODS, "p1", {"status": {"phase": "Running"}}, "default", subresource="status")
    labels = {"metadata": {"labels": {"a": "b"}}}
    with pytest.raises(errors.Forbidden, match="cannot update labels through pod status"):
        await kubelet.patch(r.PODS, "p1", labels, "default", subresource="status")


async def test_a_kubelet_reads_the_volumes_of_its_pods(with_nodes: ApiServerInProcess) -> None:
    admin = with_nodes.local_client()
    for number in ("1", "2"):
        claim = {"kind": "PersistentVolumeClaim", "apiVersion": "v1",
                 "metadata": {"name": f"claim{number}", "namespace": "default"},
                 "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                          "volumeName": f"pv{number}"}}  # fmt: skip
        stage = {"name": f"stage{number}", "namespace": "store"}
        volume = {"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"name": f"pv{number}"},
                  "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                           "claimRef": {"namespace": "default", "name": f"claim{number}"},
                           "csi": {"driver": "d", "volumeHandle": "h", "nodeStageSecretRef": stage}}}  # fmt: skip
        await admin.create(r.PERSISTENT_VOLUME_CLAIMS, claim)
        await admin.create(r.PERSISTENT_VOLUMES, volume)
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": f"claim{number}"}}]
        await bound_pod(with_nodes, f"uses{number}", f"n{number}", volumes=volumes)
    await admin.create(r.NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "store"}})
    for number in ("1", "2"):
        metadata = {"name": f"stage{number}", "namespace": "store"}
        await admin.create(r.SECRETS, {"kind": "Secret", "apiVersion": "v1", "metadata": metadata})
    kubelet = with_nodes.rest_client("system:node:n1", ("system:nodes",))
    for gvr, name, namespace in (
        (r.PERSISTENT_VOLUME_CLAIMS, "claim", "default"), (r.PERSISTENT_VOLUMES, "pv", None), (r.SECRETS, "stage", "store"),
    ):  # fmt: skip
        assert (await kubelet.get(gvr, f"{name}1", namespace))["metadata"]["name"] == f"{name}1"
        with pytest.raises(errors.Forbidden, match="no relationship found between node 'n1' and this object"):
            await kubelet.get(gvr, f"{name}2", namespace)


async def test_the_role_of_nodes_is_bound_to_nobody(api_server: ApiServerInProcess) -> None:
    binding = await api_server.local_client().get(r.CLUSTER_ROLE_BINDINGS, "system:node")
    assert not binding.get("subjects")


# -- webhook


@pytest_asyncio.fixture
async def webhook(tmp_path: Path) -> AsyncGenerator[tuple[Path, list[Object]], None]:
    """(kubeconfig of an authorizer that lets jane do things, what it was asked)."""
    asked: list[Object] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        review = orjson.loads(await request.read())
        asked.append(review["spec"])
        user = review["spec"]["user"]
        status = {"allowed": user == "jane", "denied": user == "mallory", "reason": f"{user} was seen"}
        return web.json_response({**review, "status": status})

    outside = TestAuthority(tmp_path / "outside")
    pair = outside.server("outside")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.certificate, pair.key)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    config = tmp_path / "webhook"
    cluster = {
        "server": f"https://127.0.0.1:{runner.addresses[0][1]}",
        "certificate-authority": str(outside.ca),
    }
    config.write_text(
        yaml.safe_dump(
            {"kind": "Config", "apiVersion": "v1", "current-context": "c", "users": [],
             "clusters": [{"name": "c", "cluster": cluster}], "contexts": [{"name": "c", "context": {"cluster": "c"}}]}
        )
    )  # fmt: skip
    yield config, asked
    await runner.cleanup()


async def test_a_webhook_decides_in_its_turn(start: Start, webhook: tuple[Path, list[Object]]) -> None:
    config, asked = webhook
    api = await start(
        authorization_modes=("RBAC", "Webhook"), authorization=AuthorizationConfig(webhook_config_file=config)
    )
    for _ in range(2):
        await api.rest_client("jane", ("dev",)).list(
            r.PODS, "default", label_selector="a=b", field_selector="spec.nodeName!=n"
        )
    assert len(asked) == 1, "a yes is kept"
    assert asked[0] == {
        "user": "jane", "groups": ["dev", "system:authenticated"],
        "resourceAttributes": {
            "namespace": "default", "verb": "list", "version": "v1", "resource": "pods",
            "fieldSelector": {"requirements": [{"key": "spec.nodeName", "operator": "NotIn", "values": ["n"]}]},
            "labelSelector": {"requirements": [{"key": "a", "operator": "In", "values": ["b"]}]},
        },
    }  # fmt: skip
    with pytest.raises(errors.Forbidden, match="joe was seen"):
        await api.rest_client("joe", ("dev",)).list(r.PODS)


CONFIGURATION = """
kind: AuthorizationConfiguration
apiVersion: apiserver.config.k8s.io/v1
authorizers:
- type: Webhook
  name: outside
  webhook:
    timeout: 3s
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    failurePolicy: %s
    connectionInfo: {type: KubeConfigFile, kubeConfigFile: %s}
- {type: RBAC, name: rbac}
"""


async def test_the_structured_configuration_gives_the_order(
    start: Start, webhook: tuple[Path, list[Object]], tmp_path: Path
) -> None:
    file = tmp_path / "authorization.yaml"
    file.write_text(CONFIGURATION % ("NoOpinion", webhook[0]))
    api = await start(authorization=AuthorizationConfig(authorization_config=file))
    await api.rest_client("jane", ("dev",)).list(r.PODS)
    await api.rest_client("joe", ("dev",)).raw("GET", "/version")
    with pytest.raises(errors.Forbidden):  # RBAC would allow it, but the webhook denies
        await api.rest_client("mallory", ("dev",)).raw("GET", "/version")


async def test_match_conditions_say_when_a_webhook_is_asked(
    start: Start, webhook: tuple[Path, list[Object]], tmp_path: Path
) -> None:
    file = tmp_path / "authorization.yaml"
    conditions = (
        "matchConditions:\n    - expression: has(request.resourceAttributes)\n"
        "    - expression: request.resourceAttributes.namespace != 'kube-system'\n"
        "    - expression: \"!('system:serviceaccounts' in request.groups)\"\n    timeout: 3s"
    )
    file.write_text((CONFIGURATION % ("Deny", webhook[0])).replace("timeout: 3s", conditions))
    api = await start(authorization=AuthorizationConfig(authorization_config=file))
    jane, asked = api.rest_client("jane", ("dev",)), webhook[1]
    await jane.raw("GET", "/version")
    with pytest.raises(errors.Forbidden):
        await jane.list(r.PODS, "kube-system")
    assert asked == []
    await jane.list(r.PODS, "default")
    assert len(asked) == 1


@pytest.mark.parametrize(("policy", "code"), [("NoOpinion", 200), ("Deny", 403)])
async def test_the_failure_policy_of_a_webhook(start: Start, tmp_path: Path, policy: str, code: int) -> None:
    config = tmp_path / "webhook"
    config.write_text(
        yaml.safe_dump(
            {"kind": "Config", "apiVersion": "v1", "current-context": "c", "users": [],
             "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
             "contexts": [{"name": "c", "context": {"cluster": "c"}}]}
        )
    )  # fmt: skip
    file = tmp_path / "authorization.yaml"
    file.write_text(CONFIGURATION % (policy, config))
    api = await start(authorization=AuthorizationConfig(authorization_config=file))
    tls = api.tls(api.authority.client("joe"))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as http,
        http.get(f"{api.url}/version") as answer,
    ):
        assert answer.status == code


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("type: Webhook", "type: ABAC"), 'authorizers[0].type: Unsupported value: "ABAC"'),
        (("timeout: 3s", "timeout: 1h"), "authorizers[0].webhook.timeout: Invalid value"),
        (("name: rbac", "name: outside"), 'authorizers[1]: Duplicate value: "outside"'),
        (("failurePolicy: Deny", "failurePolicy: Maybe"), 'failurePolicy: Unsupported value: "Maybe"'),
        (
            ("timeout: 3s", "matchConditions: [{expression: 'request.usr'}]\n    timeout: 3s"),
            "matchConditions[0].expression",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_stops_the_start(
    tmp_path: Path, webhook: tuple[Path, list[Object]], change: tuple[str, str], why: str
) -> None:
    file = tmp_path / "authorization.yaml"
    file.write_text((CONFIGURATION % ("Deny", webhook[0])).replace(*change))
    with pytest.raises(ConfigFileError) as refused:
        ApiServerInProcess(tmp_path / "pki", authorization=AuthorizationConfig(authorization_config=file))
    assert why in str(refused.value)


# -- roles


async def test_default_roles_get_back_what_was_taken(tmp_path: Path) -> None:
    backend = MemoryBackend()
    from pinnace.apiserver.authz.reconciliation import AUTO_UPDATE

    class Kept:
        def __getattr__(self, name: str) -> Any:
            return getattr(backend, name)

        async def close(self) -> None:
            return None

    async with ApiServerInProcess(tmp_path / "a", backend=Kept()) as api:
        client = api.local_client()
        full = await client.get(r.CLUSTER_ROLES, "system:basic-user")
        own = {"verbs": ["get"], "apiGroups": ["x"], "resources": ["y"]}
        await client.patch(r.CLUSTER_ROLES, "system:basic-user", {"rules": [own]})
        await client.patch(r.CLUSTER_ROLE_BINDINGS, "system:basic-user", {"subjects": []})
        off = {"metadata": {"annotations": {AUTO_UPDATE: "false"}}, "rules": []}
        await client.patch(r.CLUSTER_ROLES, "system:discovery", off)
    async with ApiServerInProcess(tmp_path / "b", backend=Kept()) as api:
        client = api.local_client()
        from pinnace.apiserver.authz.escalation import uncovered

        role = await client.get(r.CLUSTER_ROLES, "system:basic-user")
        assert own in role["rules"]
        assert uncovered(role["rules"], full["rules"]) == []
        subjects = (await client.get(r.CLUSTER_ROLE_BINDINGS, "system:basic-user"))["subjects"]
        assert [subject["name"] for subject in subjects] == ["system:authenticated"]
        assert (await client.get(r.CLUSTER_ROLES, "system:discovery"))["rules"] == []
    await backend.close()


async def test_a_role_with_the_label_of_view_extends_view_edit_and_admin(
    api_server: ApiServerInProcess,
) -> None:
    client = api_server.local_client()
    running = asyncio.create_task(
        Controllers(
            api_server.local_client("system:kube-controller-manager", ()), RealClock(),
            ControllersConfig(("clusterrole-aggregation",)),
        ).run()
    )  # fmt: skip
    try:
        rule = {"verbs": ["get"], "apiGroups": ["example.org"], "resources": ["widgets"]}
        labels = {f"{RBAC}/aggregate-to-view": "true"}
        role = {"kind": "ClusterRole", "apiVersion": f"{RBAC}/v1", "metadata": {"name": "widgets", "labels": labels},
                "rules": [rule]}  # fmt: skip
        await client.create(r.CLUSTER_ROLES, role)

        async def extended() -> bool:
            roles = [await client.get(r.CLUSTER_ROLES, name) for name in ("view", "edit", "admin")]
            return all(rule in each["rules"] for each in roles)

        await eventually(extended)
        await client.delete(r.CLUSTER_ROLES, "widgets")

        async def reduced() -> bool:
            roles = [await client.get(r.CLUSTER_ROLES, name) for name in ("view", "edit", "admin")]
            return not any(rule in each["rules"] for each in roles)

        await eventually(reduced)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


# -- reviews


async def bind(api: ApiServerInProcess, name: str, rules: list[Object], subject: Object) -> None:
    client = api.local_client()
    head = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name, "namespace": "default"}}
    await client.create(r.ROLES, {**head, "kind": "Role", "rules": rules})
    reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
    await client.create(
        r.ROLE_BINDINGS, {**head, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]}
    )


@pytest.mark.conformance("[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]")
async def test_reviews_agree_with_what_an_account_may_do(api_server: ApiServerInProcess) -> None:
    await service_account(api_server, "robot")
    user = "system:serviceaccount:default:robot"
    groups = ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:default"]
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}
    await bind(
        api_server, "reader", [{"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]}], subject
    )
    admin = api_server.local_client()
    impersonating = api_server.local_client(user, tuple(groups))
    for resource, gvr in (("configmaps", r.CONFIG_MAPS), ("secrets", r.SECRETS)):
        attributes = {"verb": "list", "resource": resource, "namespace": "default", "version": "v1"}
        spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
        review = {"apiVersion": "authorization.k8s.io/v1", "spec": spec}
        whole = await admin.create(r.SUBJECT_ACCESS_REVIEWS, {**review, "kind": "SubjectAccessReview"})
        local = await admin.create(
            r.LOCAL_SUBJECT_ACCESS_REVIEWS,
            {**review, "kind": "LocalSubjectAccessReview", "metadata": {"namespace": "default"}}, "default",
        )  # fmt: skip
        try:
            await impersonating.list(gvr, "default")
            allowed = True
        except errors.Forbidden:
            allowed = False
        assert allowed is (resource == "configmaps")
        assert whole["status"]["allowed"] is local["status"]["allowed"] is allowed


async def test_selectors_in_reviews_are_checked(api_server: ApiServerInProcess) -> None:
    client = api_server.local_client()

    async def ask(**selector: Any) -> Object:
        attributes = {"verb": "list", "resource": "pods", "fieldSelector": selector}
        body = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                "spec": {"user": "system:node:n1", "groups": ["system:nodes"], "resourceAttributes": attributes}}  # fmt: skip
        return await client.create(r.SUBJECT_ACCESS_REVIEWS, body)

    requirement = {"key": "spec.nodeName", "operator": "In", "values": ["n1"]}
    assert (await ask(requirements=[requirement]))["status"]["allowed"] is False
    for bad, why in (
        (
            {"requirements": [requirement], "rawSelector": "a=b"},
            "may not specified at the same time as requirements",
        ),
        (
            {"requirements": [{"key": "a", "operator": "In"}]},
            "must be specified when `operator` is 'In' or 'NotIn'",
        ),
        ({"rawSelector": ""}, "requirements or rawSelector is required"),
    ):
        with pytest.raises(errors.Invalid) as refused:
            await ask(**bad)
        assert why in refused.value.message


async def test_selectors_in_reviews_reach_the_node_authorizer(with_nodes: ApiServerInProcess) -> None:
    client = with_nodes.local_client()
    for selector, allowed in (
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n1"]}]}, True),
        ({"rawSelector": "spec.nodeName=n1"}, True),
        ({"rawSelector": "spec.nodeName=n2"}, False),
    ):
        attributes = {"verb": "list", "resource": "pods", "fieldSelector": selector}
        body = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                "spec": {"user": "system:node:n1", "groups": ["system:nodes"], "resourceAttributes": attributes}}  # fmt: skip
        assert (await client.create(r.SUBJECT_ACCESS_REVIEWS, body))["status"]["allowed"] is allowed


async def test_rules_of_a_node_are_told_to_be_incomplete(with_nodes: ApiServerInProcess) -> None:
    body = {
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"namespace": "default"},
    }
    status = (
        await with_nodes.rest_client("system:node:n1", ("system:nodes",)).create(
            r.SELF_SUBJECT_RULES_REVIEWS, body
        )
    )["status"]
    assert status["incomplete"] is True
    assert status["evaluationError"] == "node authorizer does not support user rule resolution"
    status = (await with_nodes.rest_client("jane", ("dev",)).create(r.SELF_SUBJECT_RULES_REVIEWS, body))[
        "status"
    ]
    assert status["incomplete"] is False
    assert "evaluationError" not in status


async def test_a_name_in_a_selector_counts_as_a_name(api_server: ApiServerInProcess) -> None:
    rules = [
        {"verbs": ["list", "watch"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"]}
    ]
    await bind(api_server, "one", rules, {"apiGroup": RBAC, "kind": "User", "name": "jane"})
    jane = api_server.rest_client("jane", ("dev",))
    assert (await jane.list(r.CONFIG_MAPS, "default", field_selector="metadata.name=one"))["items"] == []
    for selector in ("", "metadata.name=two", "metadata.name!=one"):
        with pytest.raises(errors.Forbidden):
            await jane.list(r.CONFIG_MAPS, "default", field_selector=selector)


async def test_nobody_grants_urls_or_roles_that_they_do_not_hold(api_server: ApiServerInProcess) -> None:
    admin = api_server.local_client()
    rules = [
        {
            "verbs": ["create", "update"],
            "apiGroups": [RBAC],
            "resources": ["clusterroles", "clusterrolebindings"],
        },
        {"verbs": ["get"], "nonResourceURLs": ["/own/*"]},
    ]
    head = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": "granter"}}
    await admin.create(r.CLUSTER_ROLES, {**head, "kind": "ClusterRole", "rules": rules})
    subject = {"apiGroup": RBAC, "kind": "User", "name": "joe"}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "granter"}
    await admin.create(
        r.CLUSTER_ROLE_BINDINGS,
        {**head, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]},
    )
    joe = api_server.rest_client("joe", ("dev",))

    def role(name: str, *rules: Object) -> Object:
        return {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": list(rules),
        }

    await joe.create(r.CLUSTER_ROLES, role("held", {"verbs": ["get"], "nonResourceURLs": ["/own/part"]}))
    for rule in (
        {"verbs": ["get"], "nonResourceURLs": ["/other"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
    ):
        with pytest.raises(
            errors.Forbidden, match="is attempting to grant RBAC permissions not currently held"
        ):
            await joe.create(r.CLUSTER_ROLES, role("more", rule))
    binding = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "up"}, "subjects": [subject],
               "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}}  # fmt: skip
    with pytest.raises(errors.Forbidden, match="is attempting to grant RBAC permissions not currently held"):
        await joe.create(r.CLUSTER_ROLE_BINDINGS, binding)
    aggregating = {**role("sum"), "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]}}
    with pytest.raises(
        errors.Forbidden, match="must have cluster-admin privileges to use the aggregationRule"
    ):
        await joe.create(r.CLUSTER_ROLES, aggregating)
