"""Each controller acts with the rights of its own ServiceAccount, as with upstream's --use-service-account-credentials."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest_asyncio

from pinnace.api import meta
from pinnace.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    PODS,
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_ADMISSION_POLICY_BINDINGS,
)
from pinnace.apiserver.authz import bootstrap_policy
from pinnace.controllers.accounts import ACCOUNTS, WITHOUT_EVENTS
from pinnace.controllers.catalog import CATALOG
from pinnace.testing.simulated_cluster import SimulatedCluster

Object = dict[str, Any]
REPLICASETS = "system:serviceaccount:kube-system:replicaset-controller"


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[SimulatedCluster, None]:
    async with SimulatedCluster(tmp_path, nodes=1) as made:
        yield made


def deployment() -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }  # fmt: skip


async def test_admission_sees_which_controller_it_is_and_managed_fields_name_the_program(
    cluster: SimulatedCluster,
) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    groups = "['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated']"
    who = f"request.userInfo.username == '{REPLICASETS}' && request.userInfo.groups == {groups}"
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": who}]}
    api = "admissionregistration.k8s.io/v1"
    await cluster.client.create(
        VALIDATING_ADMISSION_POLICIES,
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "who"}, "spec": policy},
    )
    await cluster.client.create(
        VALIDATING_ADMISSION_POLICY_BINDINGS,
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "who"},
         "spec": {"policyName": "who", "validationActions": ["Deny"]}},
    )  # fmt: skip
    await cluster.create(deployment())
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    writers = {
        entry["manager"]
        for pod in await cluster.list(PODS)
        for entry in pod["metadata"]["managedFields"]
        if not entry.get("subresource")
    }
    assert writers == {"kube-controller-manager"}
    found = await cluster.get(DEPLOYMENTS, "web")
    assert "kube-controller-manager" in {entry["manager"] for entry in found["metadata"]["managedFields"]}


async def test_what_its_role_does_not_allow_a_controller_cannot_do(cluster: SimulatedCluster) -> None:
    name = "system:controller:replicaset-controller"
    binding = await cluster.client.get(CLUSTER_ROLE_BINDINGS, name)
    await cluster.client.delete(CLUSTER_ROLE_BINDINGS, name)
    await cluster.create(deployment())

    async def is_refused() -> bool:
        said = (await cluster.get(DEPLOYMENTS, "web")).get("status") or {}
        failed = [c for c in said.get("conditions") or () if c["type"] == "ReplicaFailure"]
        return any(f'User "{REPLICASETS}" cannot' in one["message"] for one in failed)

    await cluster.advance(10)
    assert not await cluster.list(PODS)
    assert not await is_refused()  # it may not even write the status of its set
    metadata = {key: binding["metadata"][key] for key in ("name", "labels", "annotations")}
    await cluster.client.create(CLUSTER_ROLE_BINDINGS, {**binding, "metadata": metadata})
    await cluster.until(lambda: cluster.is_rolled_out("web"))


async def test_a_controller_without_rights_for_events_is_told_of_by_the_manager(
    cluster: SimulatedCluster,
) -> None:
    name = "system:controller:namespace-controller"
    await cluster.client.delete(CLUSTER_ROLE_BINDINGS, name)
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}})
    await cluster.client.delete(NAMESPACES, "going")

    async def is_told() -> bool:
        events = (await cluster.client.list(EVENTS, "default"))["items"]
        return any(
            event["reason"] == "ReconcileError" and "namespace-controller" in event["message"]
            for event in events
        )

    await cluster.until(is_told)


def test_every_account_has_a_role_with_a_binding_to_it_alone() -> None:
    as_manager = {"serviceaccount-token", "local-path-provisioner", "csi", "node-certificate-approving"}
    assert set(CATALOG) - set(ACCOUNTS) == as_manager
    assert not set(ACCOUNTS) - set(CATALOG)
    bound: dict[str, list[Object]] = {}
    for binding in (*bootstrap_policy.cluster_role_bindings(), *bootstrap_policy.role_bindings()):
        bound[binding["roleRef"]["name"]] = binding.get("subjects") or []
    for account in ACCOUNTS.values():
        subjects = bound[f"system:controller:{account}"]
        assert [(one["kind"], one["name"]) for one in subjects] == [("ServiceAccount", account)]


def test_those_who_tell_their_events_themselves_may() -> None:
    roles = {
        meta.name(role): role["rules"]
        for role in (*bootstrap_policy.cluster_roles(), *bootstrap_policy.roles())
    }
    for controller, account in ACCOUNTS.items():
        rules = roles[f"system:controller:{account}"]
        tells = any("events" in rule.get("resources", ()) and "create" in rule["verbs"] for rule in rules)
        silent = (
            controller in WITHOUT_EVENTS or controller == "pod-garbage-collector"
        )  # a sweep tells of nothing
        assert tells != silent or account == "bootstrap-signer", controller
