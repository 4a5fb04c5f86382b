"""An unmodified kubectl against the API server alone."""

import json
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.testing.api_server import ApiServerInProcess

from .conftest import Kubectl

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
"""


async def read(kubectl: Kubectl, *arguments: str) -> Any:
    return json.loads((await kubectl("get", *arguments, "-o", "json")).out)


async def test_apply_creates_then_finds_nothing_to_do_then_changes(kubectl: Kubectl) -> None:
    made = await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert made.out.splitlines() == ["deployment.apps/web created", "service/web created"]
    again = await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert again.out.splitlines() == ["deployment.apps/web unchanged", "service/web unchanged"]
    changed = await kubectl("apply", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicas: 3"))
    assert changed.out.splitlines() == ["deployment.apps/web configured", "service/web unchanged"]
    deployment = await read(kubectl, "deployment", "web")
    assert deployment["spec"]["replicas"] == 3
    assert deployment["metadata"]["generation"] == 2


async def test_server_side_apply_conflicts_until_forced(kubectl: Kubectl) -> None:
    await kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=DEPLOYMENT)
    other = DEPLOYMENT.replace("replicas: 2", "replicas: 5")
    refused = await kubectl("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=other, code=1)
    assert 'conflict with "one": .spec.replicas' in refused.err
    await kubectl(
        "apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=other
    )
    assert (await read(kubectl, "deploy", "web"))["spec"]["replicas"] == 5


async def test_create_commands(kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "d", "--image=nginx", "--replicas=2", "--port=80")
    await kubectl("expose", "deployment", "d")
    await kubectl("create", "configmap", "c", "--from-literal=a=b")
    await kubectl("create", "secret", "generic", "s", "--from-literal=user=x")
    await kubectl("create", "namespace", "n")
    await kubectl("run", "p", "--image=nginx")
    assert (await read(kubectl, "cm", "c"))["data"] == {"a": "b"}
    assert (await read(kubectl, "secret", "s"))["data"] == {"user": "eA=="}
    service = await read(kubectl, "svc", "d")
    assert service["spec"]["clusterIP"].startswith("10.43.")
    pod = await read(kubectl, "pod", "p")
    assert pod["spec"]["serviceAccountName"] == "default"
    assert pod["spec"]["volumes"][0]["name"].startswith("kube-api-access-")


async def test_unknown_fields_are_refused_or_warned_about(kubectl: Kubectl) -> None:
    bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndatum: {a: b}\n"
    refused = await kubectl("create", "-f", "-", stdin=bad, code=1)
    assert 'strict decoding error: unknown field "datum"' in refused.err
    warned = await kubectl("create", "--validate=warn", "-f", "-", stdin=bad)
    assert 'Warning: unknown field "datum"' in warned.err


async def test_patch_label_annotate_scale_set_image(kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "d", "--image=nginx")
    await kubectl("label", "deployment", "d", "tier=front")
    await kubectl("annotate", "deployment", "d", "note=x")
    await kubectl("scale", "deployment", "d", "--replicas=4")
    await kubectl("set", "image", "deployment/d", "nginx=nginx:2")
    await kubectl(
        "patch", "deployment", "d", "--type=json", "-p", '[{"op":"add","path":"/spec/paused","value":true}]'
    )
    deployment = await read(kubectl, "deploy", "d")
    assert deployment["metadata"]["labels"]["tier"] == "front"
    assert deployment["metadata"]["annotations"]["note"] == "x"
    assert deployment["spec"]["replicas"] == 4
    assert deployment["spec"]["paused"] is True
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"


async def test_tables_have_the_columns_that_people_know(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    table = (await kubectl("get", "deployments")).out.splitlines()
    assert table[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert table[1].split()[:4] == ["web", "0/2", "0", "0"]
    wide = (await kubectl("get", "svc", "web", "-o", "wide")).out.splitlines()
    assert wide[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"]


async def test_selectors_and_short_names(kubectl: Kubectl) -> None:
    for name, tier in (("a", "x"), ("b", "y")):
        await kubectl("create", "configmap", name)
        await kubectl("label", "cm", name, f"tier={tier}")
    names = (await kubectl("get", "ConfigMaps", "-l", "tier in (x)", "-o", "name")).out
    assert names == "configmap/a\n"
    names = (await kubectl("get", "configmaps", "--field-selector=metadata.name=b", "-o", "name")).out
    assert names == "configmap/b\n"


async def test_auth_can_i_and_whoami(kubectl: Kubectl) -> None:
    assert (await kubectl("auth", "can-i", "delete", "nodes")).out == "yes\n"
    assert (await kubectl("auth", "can-i", "list", "pods", "--as=jane", code=1)).out == "no\n"
    assert "kubernetes-admin" in (await kubectl("auth", "whoami")).out


async def test_roles_grant_what_they_say(kubectl: Kubectl) -> None:
    await kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    await kubectl("create", "rolebinding", "jane", "--role=reader", "--user=jane")
    assert (await kubectl("auth", "can-i", "list", "pods", "--as=jane")).out == "yes\n"
    refused = await kubectl("delete", "pod", "x", "--as=jane", code=1)
    assert (
        'User "jane" cannot delete resource "pods" in API group "" in the namespace "default"' in refused.err
    )


async def test_nobody_grants_more_than_they_hold(kubectl: Kubectl) -> None:
    await kubectl(
        "create", "role", "manager", "--verb=create,update", "--resource=roles.rbac.authorization.k8s.io"
    )
    await kubectl("create", "rolebinding", "jane", "--role=manager", "--user=jane")
    refused = await kubectl("create", "role", "more", "--verb=get", "--resource=secrets", "--as=jane", code=1)
    assert "is attempting to grant RBAC permissions not currently held" in refused.err
    assert '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}' in refused.err


async def test_explain_and_api_resources(kubectl: Kubectl) -> None:
    assert "FIELD: nodeName <string>" in (await kubectl("explain", "pod.spec.nodeName")).out
    assert "deploy" in (await kubectl("api-resources", "--api-group=apps")).out
    assert "rbac.authorization.k8s.io/v1" in (await kubectl("api-versions")).out


async def test_service_account_token_logs_in(kubectl: Kubectl, api_server: ApiServerInProcess) -> None:
    token = (await kubectl("create", "token", "default", "--duration=10m")).out.strip()
    client = api_server.rest_client(token=token)
    answer = await client.create(
        r.SELF_SUBJECT_REVIEWS, {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    )
    assert answer["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    await kubectl("delete", "serviceaccount", "default")
    with pytest.raises(errors.Unauthorized):
        await client.get(r.CONFIG_MAPS, "any", "default")


async def test_delete_waits_and_namespaces_terminate(kubectl: Kubectl) -> None:
    await kubectl("create", "namespace", "gone")
    await kubectl("delete", "namespace", "gone", "--wait=false")
    assert "Terminating" in (await kubectl("get", "ns", "gone")).out
    refused = await kubectl("create", "configmap", "c", "-n", "gone", code=1)
    assert "because it is being terminated" in refused.err
    missing = await kubectl("create", "configmap", "c", "-n", "nowhere", code=1)
    assert 'namespaces "nowhere" not found' in missing.err
    await kubectl("create", "configmap", "c")
    assert (await kubectl("delete", "configmap", "c")).out == 'configmap "c" deleted\n'
    assert "this namespace may not be deleted" in (await kubectl("delete", "ns", "default", code=1)).err


async def test_wait_for_a_condition(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "c", "--from-literal=a=b")
    await kubectl("wait", "--for=jsonpath={.data.a}=b", "configmap/c", "--timeout=5s")
    await kubectl("wait", "--for=delete", "configmap/other", "--timeout=5s")


async def test_describe_service(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    text = (await kubectl("describe", "service", "web")).out
    assert "Type:                     NodePort" in text


async def test_replace(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "c", "--from-literal=a=b")
    replaced = await kubectl("get", "cm", "c", "-o", "yaml")
    await kubectl("replace", "-f", "-", stdin=replaced.out.replace("a: b", "a: z"))
    assert (await read(kubectl, "cm", "c"))["data"] == {"a": "z"}


async def test_version_and_cluster_info(kubectl: Kubectl) -> None:
    assert "v1.36.2+pinnace" in (await kubectl("version")).out
    assert "is running at" in (await kubectl("cluster-info")).out


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]
  validations: [{expression: "object.spec.replicas <= 1", message: too many}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: few}
spec: {policyName: few, validationActions: [Deny]}
"""


async def test_policies_are_applied_listed_and_obeyed(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=POLICY)
    listed = await kubectl("get", "validatingadmissionpolicies")
    assert [line.split()[:3] for line in listed.out.splitlines()] == [
        ["NAME", "VALIDATIONS", "PARAMKIND"], ["few", "1", "<unset>"]
    ]  # fmt: skip
    refused = await kubectl("apply", "-f", "-", stdin=DEPLOYMENT, code=1)
    assert "ValidatingAdmissionPolicy 'few' with binding 'few' denied request: too many" in refused.err
