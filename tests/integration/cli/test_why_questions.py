"""`pinnace why can-i` and `--from`: rights and connections. The commands that are proposed are carried out, and then it is allowed."""

import asyncio
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.cli.main import main
from pinnace.testing.simulated_cluster import SimulatedCluster
from why_scenes import Asked, container, named, pod, workload

RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def asked(simulated_cluster: SimulatedCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Asked:  # fmt: skip
    return Asked(simulated_cluster, tmp_path / "cache", capsys, monkeypatch)


async def typed(command: str, cluster: SimulatedCluster, tmp_path: Path) -> None:
    """As a shell would run it."""
    words = shlex.split(command)
    if words[1] == "create":  # of roles and bindings, which our own command line does not make yet
        await cluster.create(made_by(words[2:]))
        return
    if "<<<" in words:
        at = words.index("<<<")
        (tmp_path / "stdin.json").write_text(words[at + 1])
        words = [str(tmp_path / "stdin.json") if one == "-" else one for one in words[:at]]
    assert await asyncio.to_thread(main, [*words[1:], "--cache-dir", str(tmp_path / "cache")]) == 0, command


def made_by(words: list[str]) -> dict[str, Any]:
    """The object of `create role|clusterrole|rolebinding|clusterrolebinding`."""
    kind = {
        "role": "Role",
        "clusterrole": "ClusterRole",
        "rolebinding": "RoleBinding",
        "clusterrolebinding": "ClusterRoleBinding",
    }[words[0]]
    flags = dict(word.removeprefix("--").split("=", 1) for word in words[2:] if word.startswith("--"))
    if kind.endswith("Role"):
        plain, _, sub = flags.get("resource", "").partition("/")
        plain, _, group = plain.partition(".")
        rule: dict[str, Any] = {"verbs": [flags["verb"]]}
        if "non-resource-url" in flags:
            rule["nonResourceURLs"] = [flags["non-resource-url"]]
        else:
            rule |= {"resources": [f"{plain}/{sub}" if sub else plain], "apiGroups": [group]}
        if "resource-name" in flags:
            rule["resourceNames"] = [flags["resource-name"]]
        return named(kind, words[1], RBAC, rules=[rule])
    role = "ClusterRole" if "clusterrole" in flags else "Role"
    subject = {"kind": "User", "name": flags.get("user", ""), "apiGroup": "rbac.authorization.k8s.io"}
    if "serviceaccount" in flags:
        namespace, _, name = flags["serviceaccount"].partition(":")
        subject = {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": flags[role.lower()]}
    return named(kind, words[1], RBAC, roleRef=reference, subjects=[subject])


@pytest.mark.parametrize(("question", "commands"), [
    (("delete", "pods", "--as", "system:serviceaccount:default:bot"), 1),
    (("get", "pods", "--subresource", "log", "--as", "alice"), 1),
    (("patch", "deployments.apps/web", "--as", "alice", "--as-group", "devs"), 1),
    (("get", "nodes", "-A", "--as", "alice"), 2),
    (("get", "/internal/x", "--as", "alice"), 2),
    (("frob", "customresourcedefinitions.apiextensions.k8s.io/one", "-A", "--as", "alice"), 2),
])  # fmt: skip
async def test_the_commands_that_are_proposed_grant_it(simulated_cluster: SimulatedCluster, asked: Asked, tmp_path: Path, question: tuple[str, ...], commands: int) -> None:  # fmt: skip
    told = await asked("can-i", *question)
    assert told.code == 2
    proposed = told.finding("rights")["commands"]
    assert len(proposed) == commands, told.text
    for command in proposed:
        await typed(command, simulated_cluster, tmp_path)
    told = await asked("can-i", *question)
    assert (told.code, told.finding("rights")["certainty"]) == (0, "note")
    assert "gives" in told.seen("rights")


async def test_what_comes_near_is_named(simulated_cluster: SimulatedCluster, asked: Asked) -> None:
    create = simulated_cluster.create

    def binding(name: str, role: str, *subjects: dict[str, str]) -> dict[str, Any]:
        return named(
            "RoleBinding",
            name,
            RBAC,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            subjects=list(subjects),
        )

    alice = {"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}, {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]},
             {"apiGroups": [""], "resources": ["deployments"], "verbs": ["get"]}]  # fmt: skip
    await create(named("Role", "viewer", RBAC, rules=rules))
    await create(binding("alice-views", "viewer", alice))
    told = await asked("can-i", "delete", "pod/x", "--as", "alice")
    assert (
        told.cause("rights")
        == "it may not delete pods x in namespace default: no role that it is bound to allows that"
    )
    assert (
        "RoleBinding default/alice-views gives Role viewer, which allows get, list of pods, not delete"
        in told.seen("rights")
    )
    assert 'which allows deployments of API group "", not of "apps"' in (
        await asked("can-i", "get", "deployments", "--as", "alice")
    ).seen("rights")
    assert "which allows it for one, not for two" in (
        await asked("can-i", "get", "secret/two", "--as", "alice")
    ).seen("rights")
    assert "which allows get of pods, not of pods/log" in (
        await asked("can-i", "get", "pods", "--subresource", "log", "--as", "alice")
    ).seen("rights")
    await create(named("Namespace", "shop"))
    elsewhere = await asked("can-i", "get", "pods", "-n", "shop", "--as", "alice")
    assert elsewhere.cause("rights").endswith("what it is bound to holds in other namespaces only")
    assert "which allows it in namespace default, not in shop" in elsewhere.seen("rights")
    await create(
        binding("bot-views", "viewer", {"kind": "ServiceAccount", "name": "bot", "namespace": "other"})
    )
    bot = await asked("can-i", "get", "pods", "--as", "system:serviceaccount:default:bot")
    assert bot.cause("rights").endswith("no binding names it")
    assert "to ServiceAccount other/bot, which is somebody else" in bot.seen("rights")
    await create(binding("bob-lost", "gone", {**alice, "name": "bob"}))
    bob = await asked("can-i", "get", "pods", "--as", "bob")
    assert bob.cause("rights").endswith("RoleBinding default/bob-lost gives Role gone, which is not there")
    unable = await asked("can-i", "get", "pods", "--as", "alice")
    assert (unable.code, unable.cause("rights")) == (0, "it may get pods in namespace default")
    assert (
        await asked.plain("can-i", "get", "nothings")
    ).text == 'error: the server doesn\'t have a resource type "nothings"\n'
    assert (await asked.plain("can-i", "get")).text.startswith(
        "error: you must specify a verb and a resource"
    )


async def test_policies_that_close_a_service(simulated_cluster: SimulatedCluster, asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    cluster = simulated_cluster
    await cluster.create(named("Namespace", "shop"))
    await cluster.until(lambda: cluster.get(r.SERVICE_ACCOUNTS, "default", "shop"))
    await cluster.create(workload(containers=[container(ports=[{"name": "http", "containerPort": 8080}])]))
    await cluster.until(lambda: cluster.is_rolled_out("web"))
    await cluster.create(
        named(
            "Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}
        )
    )
    await cluster.create(pod("front", {"app": "frnt"}), "shop")
    ask = ("service/web", "--from", "pod/front", "--from-namespace", "shop")
    free = await asked(*ask)
    assert free.code == 0
    assert (
        free.cause("connection") == "no network policy stops pod shop/front from connecting to it (8080/TCP)"
    )

    def policy(name: str, **spec: Any) -> dict[str, Any]:
        return named("NetworkPolicy", name, "networking.k8s.io/v1", spec=spec)

    await cluster.create(policy("deny", podSelector={}, policyTypes=["Ingress"]))
    front = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
        "podSelector": {"matchLabels": {"app": "front"}},
    }
    await cluster.create(
        policy(
            "front",
            podSelector={"matchLabels": {"app": "web"}},
            policyTypes=["Ingress"],
            ingress=[{"from": [front], "ports": [{"port": "http"}]}],
        )
    )
    closed = await asked(*ask)
    assert closed.code == 2
    assert (
        "pod shop/front may not connect to it on port 8080/TCP: network policies deny, front of namespace default select pod web-"
        in closed.cause("connection")
    )
    assert (
        "lets through from pods with app=front of namespaces with kubernetes.io/metadata.name=shop on http/TCP"
        in closed.seen("connection")
    )
    assert "pod/front metadata.labels: app=frnt" in closed.seen("connection")
    assert (await asked("service/web", "--from", "namespace/shop")).code == 2
    await typed(closed.finding("connection")["commands"][0], cluster, tmp_path)
    capsys.readouterr()
    assert (await asked(*ask)).code == 0
    await cluster.create(policy("nothing-out", podSelector={}, policyTypes=["Egress"]), "shop")
    out = await asked(*ask)
    assert (
        "network policy nothing-out of namespace shop selects pod front, and no egress rule lets the connection leave"
        in out.cause("connection")
    )
    assert any("cannot look up names" in one["cause"] for one in out.findings)
    assert (await asked.plain(*ask, "--port", "81")).code == 2
    await typed(out.finding("connection")["commands"][0], cluster, tmp_path)
    capsys.readouterr()
    causes = [one["cause"] for one in (await asked(*ask)).findings if one["rule"] == "connection"]
    assert [("cannot look up names" in one, "no network policy stops" in one) for one in causes] == [
        (True, False),
        (False, True),
    ]
    json.loads((await asked(*ask)).text)
    assert (
        await asked.plain("--from", "pod/x")
    ).text == "error: --from and --port need the pod or the service that is connected to\n"
