"""Admission policies end to end: configured through the API, effective for the very next request."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.config_security import AuditConfig
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from pinnace.testing.wait import eventually

Object = dict[str, Any]
VALIDATING = "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] "
MUTATING = "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] "
GROUP = "admissionregistration.k8s.io"
VAP, VAPB = r.VALIDATING_ADMISSION_POLICIES, r.VALIDATING_ADMISSION_POLICY_BINDINGS
MAP, MAPB = r.MUTATING_ADMISSION_POLICIES, r.MUTATING_ADMISSION_POLICY_BINDINGS
KINDS = {
    VAP: "ValidatingAdmissionPolicy",
    VAPB: "ValidatingAdmissionPolicyBinding",
    MAP: "MutatingAdmissionPolicy",
    MAPB: "MutatingAdmissionPolicyBinding",
}


@pytest_asyncio.fixture
async def client(api_server: ApiServerInProcess) -> RestClient:
    return api_server.rest_client()


@pytest_asyncio.fixture
async def http(api_server: ApiServerInProcess) -> AsyncGenerator[aiohttp.ClientSession, None]:
    tls = api_server.tls(api_server.authority.client("admin", MASTERS))
    async with aiohttp.ClientSession(api_server.url, connector=aiohttp.TCPConnector(ssl=tls)) as session:
        yield session


def rule(resource: str, group: str = "", *operations: str) -> Object:
    return {
        "operations": list(operations or ("CREATE", "UPDATE")), "apiGroups": [group], "apiVersions": ["v1"],
        "resources": [resource],
    }  # fmt: skip


def new(gvr: GVR, name: str, **spec: Any) -> Object:
    return {"apiVersion": f"{GROUP}/v1", "kind": KINDS[gvr], "metadata": {"name": name}, "spec": spec}


async def guard(
    client: RestClient, *expressions: str, name: str = "p", binding: Object | None = None, **spec: Any
) -> None:
    """A validating policy on ConfigMaps with its binding."""
    whole = {
        "matchConstraints": {"resourceRules": [rule("configmaps")]},
        "validations": [{"expression": text} for text in expressions],
        **spec,
    }
    await client.create(VAP, new(VAP, name, **whole))
    await client.create(
        VAPB,
        new(
            VAPB, f"{name}-binding", **{"policyName": name, "validationActions": ["Deny"], **(binding or {})}
        ),
    )


async def change(
    client: RestClient, *mutations: Object, name: str = "m", binding: Object | None = None, **spec: Any
) -> None:
    """A mutating policy on ConfigMaps with its binding."""
    whole = {
        "matchConstraints": {"resourceRules": [rule("configmaps")]}, "mutations": list(mutations),
        "reinvocationPolicy": "Never", **spec,
    }  # fmt: skip
    await client.create(MAP, new(MAP, name, **whole))
    await client.create(MAPB, new(MAPB, f"{name}-binding", **{"policyName": name, **(binding or {})}))


def applying(expression: str) -> Object:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def patching(expression: str) -> Object:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def config_map(name: str, **more: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **more.pop("metadata", {})},
        **more,
    }


def deployment(name: str, replicas: int) -> Object:
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    }  # fmt: skip


async def create(client: RestClient, obj: Object, namespace: str = "default") -> Object:
    gvr = {"ConfigMap": r.CONFIG_MAPS, "Deployment": r.DEPLOYMENTS}[obj["kind"]]
    return await client.create(gvr, obj, namespace)


async def refusal(client: RestClient, obj: Object) -> errors.StatusError:
    with pytest.raises(errors.StatusError) as caught:
        await create(client, obj)
    return caught.value


# -- ValidatingAdmissionPolicy ------------------------------------------------------------------------------


@pytest.mark.conformance(VALIDATING + "should validate against a Deployment [Conformance]")
async def test_a_deployment_is_judged_by_an_expression(client: RestClient) -> None:
    validation = {
        "expression": "object.spec.replicas > 1",
        "messageExpression": "'wants replicas > 1, got ' + string(object.spec.replicas)",
    }
    await client.create(
        VAP,
        new(
            VAP, "replicas", validations=[validation],
            matchConstraints={"resourceRules": [rule("deployments", "apps")]},
        ),
    )  # fmt: skip
    await create(client, deployment("free", 1))  # no binding yet
    await client.create(VAPB, new(VAPB, "b", policyName="replicas", validationActions=["Deny"]))
    await create(client, deployment("good", 2))
    error = await refusal(client, deployment("bad", 1))
    why = "ValidatingAdmissionPolicy 'replicas' with binding 'b' denied request: wants replicas > 1, got 1"
    assert error.message == f'deployments.apps "bad" is forbidden: {why}'
    assert (error.code, error.reason) == (422, "Invalid")
    assert [cause.message for cause in error.causes] == [why]
    labels = 'enforcement_action="deny",error_type="no_error",policy="replicas",policy_binding="b"'
    shown = await client.raw("GET", "/metrics")
    assert f"apiserver_validating_admission_policy_check_total{{{labels}}} 1\n" in shown


@pytest.mark.conformance(VALIDATING + "should allow expressions to refer variables. [Conformance]")
async def test_expressions_refer_to_variables(client: RestClient) -> None:
    variables = [
        {"name": "replicas", "expression": "object.spec.replicas"},
        {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
    ]
    validations = [
        {"expression": "variables.replicas > 1"},
        {"expression": "variables.oddReplicas"},
    ]
    await client.create(
        VAP,
        new(
            VAP, "odd", variables=variables, validations=validations,
            matchConstraints={"resourceRules": [rule("deployments", "apps")]},
        ),
    )  # fmt: skip
    await client.create(VAPB, new(VAPB, "odd", policyName="odd", validationActions=["Deny"]))
    await create(client, deployment("three", 3))
    assert (
        "failed expression: variables.replicas > 1" in (await refusal(client, deployment("one", 1))).message
    )
    assert (
        "failed expression: variables.oddReplicas" in (await refusal(client, deployment("four", 4))).message
    )


async def test_a_policy_is_effective_until_its_binding_goes(client: RestClient) -> None:
    await guard(client, "has(object.data)")
    assert "failed expression: has(object.data)" in (await refusal(client, config_map("a"))).message
    await client.delete(VAPB, "p-binding")
    await create(client, config_map("a"))


async def test_params_come_from_the_binding(client: RestClient) -> None:
    await create(client, config_map("limits", data={"prefix": "ok-"}))
    reference = {"name": "limits", "namespace": "default"}
    await guard(
        client, "object.metadata.name.startsWith(params.data.prefix)", paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConditions=[{"name": "not-itself", "expression": "object.metadata.name != 'limits'"}],
        binding={"paramRef": reference},
    )  # fmt: skip
    await create(client, config_map("ok-a"))
    await refusal(client, config_map("a"))
    await client.delete(r.CONFIG_MAPS, "limits", "default")
    missing = await refusal(client, config_map("ok-b"))
    assert "no params found for policy binding with `Deny` parameterNotFoundAction" in missing.message
    assert "failed to configure binding" in missing.message


async def test_params_by_selector_are_tried_one_after_the_other(client: RestClient) -> None:
    for name in ("x", "y"):
        await create(
            client, config_map(f"param-{name}", data={"letter": name}, metadata={"labels": {"param": "yes"}})
        )
    await guard(
        client, "object.metadata.name.contains(params.data.letter)",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        binding={"paramRef": {"selector": {"matchLabels": {"param": "yes"}}, "parameterNotFoundAction": "Allow"}},
    )  # fmt: skip
    await create(client, config_map("xy"))
    await refusal(client, config_map("x"))


async def test_failures_are_judged_by_the_failure_policy(client: RestClient) -> None:
    await guard(client, "object.nothing == 1", name="fails")
    error = await refusal(client, config_map("a"))
    assert "expression 'object.nothing == 1' resulted in error: no such key: nothing" in error.message
    await client.delete(VAPB, "fails-binding")
    await guard(client, "object.nothing == 1", name="ignores", failurePolicy="Ignore")
    await create(client, config_map("a"))


async def test_an_unknown_kind_of_params_is_a_failure(client: RestClient) -> None:
    kind = {"apiVersion": "example.com/v1", "kind": "Nothing"}
    await guard(client, "true", paramKind=kind, binding={"paramRef": {"name": "a"}})
    error = await refusal(client, config_map("a"))
    assert (
        "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by "
        "paramKind: 'example.com/v1, Kind=Nothing'"
    ) in error.message


async def test_reasons_choose_the_code(client: RestClient) -> None:
    await guard(client, validations=[{"expression": "false", "reason": "Unauthorized", "message": "go away"}])
    error = await refusal(client, config_map("a"))
    assert (error.code, error.reason) == (401, "Unauthorized")
    assert error.message.endswith("denied request: go away")


@pytest.mark.parametrize(
    ("resources", "is_judged"),
    [
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, False),
        ({"objectSelector": {"matchLabels": {"color": "red"}}}, True),
        ({"objectSelector": {"matchLabels": {"color": "blue"}}}, False),
        ({"excludeResourceRules": [{**rule("configmaps"), "resourceNames": ["a"]}]}, False),
        ({"excludeResourceRules": [{**rule("configmaps"), "resourceNames": ["b"]}]}, True),
        ({"resourceRules": [rule("configmaps", "", "DELETE")]}, False),
    ],
)
@pytest.mark.parametrize("where", ["policy", "binding"])
async def test_policy_and_binding_choose_their_requests(
    client: RestClient, resources: Object, is_judged: bool, where: str
) -> None:
    own = {"resourceRules": [rule("configmaps")], **(resources if where == "policy" else {})}
    await guard(
        client,
        "false",
        matchConstraints=own,
        binding={"matchResources": resources} if where == "binding" else {},
    )
    obj = config_map("a", metadata={"labels": {"color": "red"}})
    # `metadata.name` is not yet the request's name on a create: rules with names judge updates
    if "excludeResourceRules" in resources:
        await client.delete(VAPB, "p-binding")
        await create(client, obj)
        await client.create(
            VAPB,
            new(VAPB, "p-binding", policyName="p", validationActions=["Deny"], **({"matchResources": resources} if where == "binding" else {})),
        )  # fmt: skip
        write = client.patch(r.CONFIG_MAPS, "a", {"data": {"k": "v"}}, "default")
    else:
        write = create(client, obj)
    if is_judged:
        with pytest.raises(errors.StatusError, match="denied request"):
            await write
    else:
        await write


async def test_deletes_see_the_old_object(client: RestClient) -> None:
    await guard(
        client, "object == null && !has(oldObject.data)",
        matchConstraints={"resourceRules": [rule("configmaps", "", "DELETE")]},
    )  # fmt: skip
    await create(client, config_map("a"))
    await create(client, config_map("b", data={"k": "v"}))
    await client.delete(r.CONFIG_MAPS, "a", "default")
    with pytest.raises(errors.StatusError, match="denied request"):
        await client.delete(r.CONFIG_MAPS, "b", "default")


async def test_expressions_see_request_namespace_and_authorizer(client: RestClient) -> None:
    await guard(
        client,
        "request.operation == 'CREATE' && request.resource.resource == 'configmaps' && request.namespace == 'default'",
        "request.userInfo.username != '' && 'system:authenticated' in request.userInfo.groups",
        "namespaceObject.metadata.name == 'default' && namespaceObject.status.phase == 'Active'",
        "authorizer.group('apps').resource('deployments').namespace('default').check('create').allowed()",
        "authorizer.requestResource.check('delete').allowed()",
        "!authorizer.serviceAccount('default', 'nobody').group('').resource('secrets').check('get').allowed()",
        "authorizer.path('/healthz').check('get').allowed()",
    )
    await create(client, config_map("a"))


async def test_a_condition_that_is_false_spares_the_request(client: RestClient) -> None:
    conditions = [
        {"name": "fails", "expression": "object.data.nothing == 'x'"},
        {"name": "guarded", "expression": "has(object.data)"},
    ]
    await guard(client, "false", matchConditions=conditions)
    await create(client, config_map("a"))
    error = await refusal(client, config_map("b", data={"k": "v"}))
    assert "expression 'object.data.nothing == 'x'' resulted in error: no such key: nothing" in error.message


async def test_dear_expressions_are_stopped(client: RestClient) -> None:
    dear = "object.data.text.split('').all(a, object.data.text.split('').all(b, a == b))"
    await guard(client, dear)
    error = await refusal(client, config_map("a", data={"text": "a" * 3000}))
    assert "resulted in error: operation cancelled: actual cost limit exceeded" in error.message


async def test_warnings(client: RestClient, http: aiohttp.ClientSession) -> None:
    await guard(client, "has(object.data)", binding={"validationActions": ["Warn", "Audit"]})
    answer = await http.post("/api/v1/namespaces/default/configmaps", json=config_map("a"))
    assert answer.status == 201
    expected = (
        "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-binding': failed expression"
    )
    assert expected in answer.headers["Warning"]


async def test_findings_and_annotations_are_audited(tmp_path: Path) -> None:
    rules = tmp_path / "policy.yaml"
    rules.write_text(
        json.dumps({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": [{"level": "Metadata"}]})
    )
    log = tmp_path / "audit.log"
    async with ApiServerInProcess(tmp_path / "pki", audit=AuditConfig(rules, log_path=str(log))) as api:
        client = api.rest_client()
        await guard(
            client, "true", "has(object.data)", binding={"validationActions": ["Audit"]},
            auditAnnotations=[
                {"key": "name", "valueExpression": "'called ' + object.metadata.name"},
                {"key": "nothing", "valueExpression": "null"},
            ],
        )  # fmt: skip
        await create(client, config_map("a"))
    last = json.loads(log.read_text().splitlines()[-1])["annotations"]
    assert last["p/name"] == "called a"
    assert "p/nothing" not in last
    assert json.loads(last["validation.policy.admission.k8s.io/validation_failure"]) == [
        {
            "message": "failed expression: has(object.data)", "policy": "p", "binding": "p-binding", "expressionIndex": 1,
            "validationActions": ["Audit"],
        }
    ]  # fmt: skip


async def test_policies_do_not_judge_policies(client: RestClient) -> None:
    everything = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    await guard(client, "false", matchConstraints={"resourceRules": [everything]})
    await refusal(client, config_map("a"))
    await client.create(MAPB, new(MAPB, "other", policyName="x"))
    await client.delete(VAPB, "p-binding")
    await create(client, config_map("a"))


async def test_an_expression_that_does_not_compile_is_refused(client: RestClient) -> None:
    with pytest.raises(errors.Invalid) as caught:
        await guard(client, "object.spec.replicas > ")
    assert "spec.validations[0].expression: Invalid value" in caught.value.message
    assert (
        "compilation failed: ERROR: <input>:1:24: Syntax error: mismatched input '<EOF>'"
        in caught.value.message
    )


# -- MutatingAdmissionPolicy --------------------------------------------------------------------------------


@pytest.mark.conformance(MUTATING + "should mutate a Deployment [Conformance]")
async def test_a_deployment_is_changed_by_an_expression(client: RestClient) -> None:
    mutation = applying("Object{spec: Object.spec{replicas: object.spec.replicas + 10}}")
    await change(
        client, mutation, matchConstraints={"resourceRules": [rule("deployments", "apps", "CREATE")]}
    )
    made = await create(client, deployment("web", 1))
    assert made["spec"]["replicas"] == 11
    assert made["spec"]["template"]["spec"]["containers"][0]["name"] == "c"


@pytest.mark.conformance(MUTATING + "should mutate a Deployment with annotations [Conformance]")
async def test_a_deployment_gets_annotations(client: RestClient) -> None:
    mutation = applying(
        "Object{metadata: Object.metadata{annotations: {'my-foo-annotation': 'myAnnotationValue'}}}"
    )
    await change(
        client, mutation, matchConstraints={"resourceRules": [rule("deployments", "apps", "CREATE")]}
    )
    made = await create(client, deployment("web", 1))
    assert made["metadata"]["annotations"] == {"my-foo-annotation": "myAnnotationValue"}


async def test_lists_with_keys_are_merged(client: RestClient) -> None:
    sidecar = (
        "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: "
        "[Object.spec.template.spec.containers{name: 'sidecar', image: 's'}]}}}}"
    )
    await change(client, applying(sidecar), matchConstraints={"resourceRules": [rule("deployments", "apps")]})
    made = await create(client, deployment("web", 1))
    containers = made["spec"]["template"]["spec"]["containers"]
    assert {c["name"]: c["image"] for c in containers} == {"c": "i", "sidecar": "s"}
    assert containers[1]["terminationMessagePath"] == "/dev/termination-log"  # defaults are filled in again


async def test_patches_may_depend_on_the_object(client: RestClient) -> None:
    mutation = patching(
        "has(object.metadata.annotations) "
        "? [JSONPatch{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('a/b'), value: 'c'}] : []"
    )
    await change(client, mutation)
    assert "annotations" not in (await create(client, config_map("a")))["metadata"]
    annotated = config_map("b", metadata={"annotations": {"x": "y"}})
    assert (await create(client, annotated))["metadata"]["annotations"] == {"a/b": "c", "x": "y"}


async def test_a_patch_whose_test_fails_changes_nothing(client: RestClient) -> None:
    await change(
        client,
        patching(
            "[JSONPatch{op: 'test', path: '/data/k', value: 'w'}, JSONPatch{op: 'remove', path: '/data/k'}]"
        ),
    )
    assert (await create(client, config_map("a", data={"k": "v"})))["data"] == {"k": "v"}
    assert "k" not in (await create(client, config_map("b", data={"k": "w"}))).get("data", {})


async def test_mutations_follow_each_other_and_use_params(client: RestClient) -> None:
    await create(client, config_map("settings", data={"team": "blue"}))
    await change(
        client,
        applying("Object{data: {'team': params.data.team}}"),
        applying("Object{metadata: Object.metadata{labels: {'team': object.data.team + variables.suffix}}}"),
        variables=[{"name": "suffix", "expression": "'-team'"}],
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        binding={"paramRef": {"name": "settings", "namespace": "default"}},
    )
    assert (await create(client, config_map("a")))["metadata"]["labels"] == {"team": "blue-team"}


@pytest.mark.parametrize(
    ("mutation", "why"),
    [
        (applying("Object{data: {'a': object.data.nothing}}"), "resulted in error: no such key: data"),
        (applying("Object{spec: Object.wrong{}}"), 'type mismatch: unexpected type name "Object.wrong", expected "Object.spec"'),
        (applying("Object{nothing: 1}"), "failed to convert patch object to typed object: .nothing: field not declared in schema"),
        (patching("[JSONPatch{op: 'remove', path: '/data/x'}]"), "JSONPath: "),
    ],
)  # fmt: skip
async def test_failed_mutations_refuse_the_request(
    client: RestClient, http: aiohttp.ClientSession, mutation: Object, why: str
) -> None:
    await change(client, mutation)
    answer = await http.post("/api/v1/namespaces/default/configmaps", json=config_map("a"))
    status = await answer.json()
    assert status["message"].startswith("policy 'm' with binding 'm-binding' denied request: ")
    assert why in status["message"]
    assert status["details"]["causes"] == [{"message": status["message"]}]
    assert (answer.status, status["code"], status["reason"]) == (403, 403, "Invalid")


async def test_atomic_parts_are_not_replaced_by_accident(client: RestClient) -> None:
    selector = "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}"
    await change(
        client, applying(selector), matchConstraints={"resourceRules": [rule("deployments", "apps")]}
    )
    error = await refusal(client, deployment("web", 1))
    assert (
        "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector"
        in error.message
    )


async def test_policies_are_asked_again_after_changes(client: RestClient) -> None:
    """The first counts the keys once more when the second has added one."""
    count = "Object{metadata: Object.metadata{labels: {'keys': string(size(object.data))}}}"
    await change(client, applying(count), name="a-count", reinvocationPolicy="IfNeeded")
    await change(client, applying("Object{data: {'added': 'yes'}}"), name="b-add")
    made = await create(client, config_map("a", data={"k": "v"}))
    assert made["metadata"]["labels"] == {"keys": "2"}


# -- who may configure them -----------------------------------------------------------------------------------


async def test_only_who_may_read_params_may_configure_them(
    api_server: ApiServerInProcess, client: RestClient
) -> None:
    group = {"apiGroups": [GROUP], "resources": ["*"], "verbs": ["*"]}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "author"},
        "rules": [group],
    }
    await client.create(r.CLUSTER_ROLES, role)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "author"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "alice"}
    given = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "author"},
        "roleRef": reference, "subjects": [subject],
    }  # fmt: skip
    await client.create(r.CLUSTER_ROLE_BINDINGS, given)
    alice = api_server.local_client("alice", ())
    spec = {**SPECS[VAP], "paramKind": {"apiVersion": "v1", "kind": "Secret"}}
    with pytest.raises(errors.Invalid) as caught:
        await alice.create(VAP, new(VAP, "p", **spec))
    assert (
        'spec.paramKind: Forbidden: user alice must have "get" permission on all objects of the referenced paramKind '
        "(kind=Secret, apiVersion=v1)"
    ) in caught.value.message
    await client.create(VAP, new(VAP, "p", **spec))
    bound = {**SPECS[VAPB], "policyName": "p", "paramRef": {"name": "a", "namespace": "default"}}
    with pytest.raises(errors.Invalid) as caught:
        await alice.create(VAPB, new(VAPB, "b", **bound))
    assert (
        'spec.paramRef: Forbidden: user alice does not have "get" permission on the object referenced by paramRef'
    ) in caught.value.message
    await alice.create(VAP, new(VAP, "without", **SPECS[VAP]))


# -- the API ------------------------------------------------------------------------------------------------


MATCH = {"resourceRules": [rule("deployments", "apps")]}
SPECS: dict[GVR, Object] = {
    VAP: {"matchConstraints": MATCH, "validations": [{"expression": "object.spec.replicas <= 100"}]},
    VAPB: {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]},
    MAP: {
        "matchConstraints": MATCH,
        "reinvocationPolicy": "Never",
        "mutations": [applying("Object{spec: Object.spec{replicas: 1}}")],
    },
    MAPB: {"policyName": "replicalimit-policy.example.com"},
}


@pytest.mark.conformance(VALIDATING + "should support ValidatingAdmissionPolicy API operations [Conformance]")
async def test_validating_policies_support_all_operations(client: RestClient) -> None:
    await check_operations(client, VAP)


@pytest.mark.conformance(
    VALIDATING + "should support ValidatingAdmissionPolicyBinding API operations [Conformance]"
)
async def test_validating_bindings_support_all_operations(client: RestClient) -> None:
    await check_operations(client, VAPB)


@pytest.mark.conformance(MUTATING + "should support MutatingAdmissionPolicy API operations [Conformance]")
async def test_mutating_policies_support_all_operations(client: RestClient) -> None:
    await check_operations(client, MAP)


@pytest.mark.conformance(
    MUTATING + "should support MutatingAdmissionPolicyBinding API operations [Conformance]"
)
async def test_mutating_bindings_support_all_operations(client: RestClient) -> None:
    await check_operations(client, MAPB)


async def check_operations(client: RestClient, gvr: GVR) -> None:
    spec, start = SPECS[gvr], (await client.list(gvr))["metadata"]["resourceVersion"]
    groups = {group["name"] for group in (await client.raw("GET", "/apis"))["groups"]}
    assert GROUP in groups
    found = await client.raw("GET", f"/apis/{GROUP}/v1")
    names = {resource["name"] for resource in found["resources"]}
    assert gvr.resource in names
    if gvr == VAP:
        assert f"{gvr.resource}/status" in names
    label = {"labels": {"special": "yes"}}

    def example(name: str) -> Object:
        obj = new(gvr, name, **spec)
        obj["metadata"] |= label
        return obj

    made = await client.create(gvr, example("one"))
    assert made["metadata"]["generation"] == 1
    assert (await client.get(gvr, "one"))["metadata"]["uid"] == made["metadata"]["uid"]
    listed = await client.list(gvr, label_selector="special=yes")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["one"]
    patched = await client.patch(gvr, "one", {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["annotations"]["patched"] == "true"
    changed = {**patched, "metadata": {**patched["metadata"], "annotations": {"updated": "true"}}}
    if gvr in (VAP, MAP):
        changed["spec"] = {**changed["spec"], "failurePolicy": "Ignore"}
    updated = await client.update(gvr, changed)
    assert updated["metadata"]["annotations"]["updated"] == "true"
    assert updated["metadata"]["generation"] == (2 if gvr in (VAP, MAP) else 1)
    if gvr == VAP:
        status = {"status": {"observedGeneration": 2, "conditions": [
            {"type": "PatchStatusFailed", "status": "False", "reason": "ByTest", "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "set by test"}
        ]}}  # fmt: skip
        set_status = await client.patch(gvr, "one", status, subresource="status")
        assert set_status["status"]["conditions"][0]["reason"] == "ByTest"
        assert (await client.get(gvr, "one"))["status"]["observedGeneration"] == 2
    await client.delete(gvr, "one")
    with pytest.raises(errors.NotFound):
        await client.get(gvr, "one")
    for name in ("two", "three"):
        await client.create(gvr, example(name))
    await client.delete_collection(gvr, label_selector="special=yes")
    assert (await client.list(gvr, label_selector="special=yes"))["items"] == []
    assert await events(client, gvr, start) == ["ADDED", "MODIFIED", "DELETED"]


async def events(client: RestClient, gvr: GVR, start: str) -> list[str]:
    """What happened to the object `one`, each kind of event once."""
    seen: list[str] = []
    async with asyncio.timeout(10):
        async for event in client.watch(gvr, resource_version=start):
            if event.type not in seen and event.type != "BOOKMARK":
                seen.append(event.type)
            if event.type == "DELETED":
                break
    return seen


# -- custom resources ---------------------------------------------------------------------------------------


async def test_custom_resources_are_changed_and_judged(client: RestClient) -> None:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "parts": {
                        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object", "required": ["name"],
                            "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
                        },
                    },
                },
            }
        },
    }  # fmt: skip
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }  # fmt: skip
    await client.create(r.CUSTOM_RESOURCE_DEFINITIONS, definition)

    async def is_established() -> bool:
        found = await client.get(r.CUSTOM_RESOURCE_DEFINITIONS, "things.example.com")
        return any(
            c["type"] == "Established" and c["status"] == "True" for c in found["status"]["conditions"]
        )

    await eventually(is_established)
    match = {"resourceRules": [rule("things", "example.com")]}
    grow = "Object{spec: Object.spec{size: object.spec.size + 1, parts: [Object.spec.parts{name: 'b', count: 2}]}}"
    await change(client, applying(grow), matchConstraints=match)
    await guard(client, "object.spec.size < 5", matchConstraints=match)
    things = GVR("example.com", "v1", "things")

    def thing(name: str, size: int) -> Object:
        spec = {"size": size, "parts": [{"name": "a", "count": 1}]}
        return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}

    made = await client.create(things, thing("small", 1), "default")
    assert made["spec"] == {"size": 2, "parts": [{"name": "a", "count": 1}, {"name": "b", "count": 2}]}
    with pytest.raises(
        errors.StatusError, match=r"denied request: failed expression: object\.spec\.size < 5"
    ):
        await client.create(things, thing("large", 4), "default")
