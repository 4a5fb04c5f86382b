"""Every kubectl on the machine (1.27 to 1.33 where this was written) does the whole of its work against one control plane."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e_support import KUBECTLS, Space, TestCluster, until

from .conftest import Run

pytestmark = pytest.mark.slow
CONFIG: dict[str, Any] = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": {"a": "b"}}, "data": {"k": "1"},
}  # fmt: skip
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.matrix.example.com"},
    "spec": {
        "group": "matrix.example.com", "scope": "Namespaced",
        "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "shortNames": ["bt"]},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.masts", "statusReplicasPath": ".status.masts"}},
            "additionalPrinterColumns": [{"name": "Masts", "type": "integer", "jsonPath": ".spec.masts"}],
            "schema": {"openAPIV3Schema": {"type": "object", "description": "A boat sails.", "properties": {
                "spec": {"type": "object", "properties": {
                    "masts": {"type": "integer", "description": "How many masts it has."},
                    "crew": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
                }},
                "status": {"type": "object", "properties": {"masts": {"type": "integer"}}},
            }}},
        }],
    },
}  # fmt: skip
BOAT = {
    "apiVersion": "matrix.example.com/v1",
    "kind": "Boat",
    "metadata": {"name": "b"},
    "spec": {"masts": 2},
}


def config(value: str, **more: str) -> dict[str, Any]:
    return {**CONFIG, "data": {"k": value, **more}}


def deploy(run: Run, name: str = "d", replicas: int = 2) -> None:
    assert run("create", "deployment", name, "--image=i:1", f"--replicas={replicas}") == (
        f"deployment.apps/{name} created\n"
    )
    assert "successfully rolled out" in run("rollout", "status", f"deploy/{name}", "--timeout=60s")


def test_apply_and_diff(space: Space, run: Run, version: str) -> None:
    assert run("apply", "-f", "-", manifest=config("1")) == "configmap/c created\n"
    assert run("apply", "-f", "-", manifest=config("1")) == "configmap/c unchanged\n"
    differing = space.kubectl(
        "diff", "-f", "-", version=version, check=False, stdin=json.dumps(config("2", l="x"))
    )
    assert differing.returncode == 1, differing.stderr
    assert {'-  k: "1"', '+  k: "2"', "+  l: x"} <= set(differing.stdout.splitlines())
    assert run("get", "cm", "c", "-o", "jsonpath={.data.k}") == "1"
    assert run("apply", "-f", "-", "--dry-run=server", manifest=config("2")) == (
        "configmap/c configured (server dry run)\n"
    )
    assert run("apply", "-f", "-", manifest=config("2", l="x")) == "configmap/c configured\n"
    assert run("apply", "-f", "-", manifest=config("2")) == "configmap/c configured\n"
    assert json.loads(run("get", "cm", "c", "-o", "json"))["data"] == {"k": "2"}
    assert run("diff", "-f", "-", manifest=config("2")) == ""
    assert '"k":"2"' in run("apply", "view-last-applied", "cm", "c", "-o", "json").replace(" ", "")
    pruned = run("apply", "-f", "-", "--prune", "-l", "a=b", manifest={
        **CONFIG, "metadata": {"name": "other", "labels": {"a": "b"}}})  # fmt: skip
    assert pruned.splitlines() == ["configmap/other created", "configmap/c pruned"]


def test_server_side_apply(space: Space, run: Run, version: str) -> None:
    server_side = ("apply", "--server-side", "-f", "-")
    assert run(*server_side, manifest=config("1")) == "configmap/c serverside-applied\n"
    refused = space.kubectl(
        *server_side, "--field-manager=other", version=version, check=False, stdin=json.dumps(config("2"))
    )
    assert refused.returncode == 1
    assert 'conflict with "kubectl": .data.k' in refused.stderr
    assert run(*server_side, "--field-manager=other", "--force-conflicts", manifest=config("2")) == (
        "configmap/c serverside-applied\n"
    )
    owners = json.loads(run("get", "cm", "c", "-o", "json", "--show-managed-fields"))["metadata"][
        "managedFields"
    ]
    assert {o["manager"] for o in owners if "f:data" in o["fieldsV1"]} == {"other"}
    changed = space.kubectl(
        "diff", "--server-side", "--field-manager=other", "-f", "-",
        version=version, check=False, stdin=json.dumps(config("3")),
    )  # fmt: skip
    assert (changed.returncode, '+  k: "3"' in changed.stdout) == (1, True), changed.stderr


def test_explain_and_discovery(run: Run, boats: None) -> None:
    assert "FIELD: replicas <integer>" in run("explain", "deploy.spec.replicas")
    assert "terminationGracePeriodSeconds" in run("explain", "pod", "--recursive")
    assert "FIELDS:" in run("explain", "hpa", "--api-version=autoscaling/v2")
    of_boats = run("explain", "boats.spec")
    assert ("masts\t<integer>" in of_boats, "How many masts it has." in of_boats) == (True, True), of_boats
    assert "crew" in run("explain", "boats", "--recursive")
    wide = run("api-resources", "-o", "wide")
    assert any(line.split()[:3] == ["deployments", "deploy", "apps/v1"] for line in wide.splitlines())
    names = run("api-resources", "-o", "name", "--api-group=matrix.example.com")
    assert names == "boats.matrix.example.com\n"
    assert {"v1", "apps/v1", "matrix.example.com/v1"} <= set(run("api-versions").split())
    assert json.loads(run("get", "--raw", "/apis/matrix.example.com/v1"))["resources"][0]["kind"] == "Boat"
    assert run("get", "--raw", "/readyz") == "ok"


def test_custom_resources(run: Run, boats: None) -> None:
    assert run("apply", "-f", "-", manifest=BOAT) == "boat.matrix.example.com/b created\n"
    assert [line.split()[:2] for line in run("get", "bt").splitlines()] == [["NAME", "MASTS"], ["b", "2"]]
    assert run("scale", "boat/b", "--replicas=3") == "boat.matrix.example.com/b scaled\n"
    assert run("get", "boat", "b", "-o", "jsonpath={.spec.masts}") == "3"
    run("patch", "boat", "b", "--subresource=status", "--type=merge", "-p", '{"status":{"masts":3}}')
    assert run("wait", "boat/b", "--for=jsonpath={.status.masts}=3", "--timeout=10s").endswith(
        "condition met\n"
    )
    run("delete", "boat", "b", "--timeout=20s")


@pytest.fixture
def boats(simulated: TestCluster) -> None:
    simulated.kubectl("apply", "-f", "-", stdin=json.dumps(CRD))
    simulated.kubectl("wait", "crd/boats.matrix.example.com", "--for=condition=Established", "--timeout=20s")


def test_get_in_every_format(space: Space, run: Run) -> None:
    space.apply(CONFIG)
    assert "\n  k: " in run("get", "cm", "c", "-o", "yaml")
    assert json.loads(run("get", "cm", "c", "-o", "json"))["data"] == {"k": "1"}
    assert run("get", "cm", "c", "-o", "jsonpath={.metadata.name}{.data.k}") == "c1"
    assert run("get", "cm", "c", "-o", "go-template={{.data.k}}") == "1"
    columns = run("get", "cm", "c", "-o", "custom-columns=N:.metadata.name,K:.data.k").split()
    assert columns == ["N", "K", "c", "1"]
    assert run("get", "cm", "c", "-o", "name") == "configmap/c\n"
    wide = run("get", "nodes", "-o", "wide").splitlines()
    assert ("INTERNAL-IP" in wide[0], len(wide)) == (True, 3)
    assert run("get", "cm", "-l", "a=b", "--show-labels", "--no-headers").split()[-1] == "a=b"
    assert run("get", "cm", "--field-selector=metadata.name=c", "-o", "name") == "configmap/c\n"
    sort = run("get", "cm", "--sort-by=.metadata.name", "-o", "name").split()
    assert sort == ["configmap/c", "configmap/kube-root-ca.crt"]
    assert "kube-system" in run("get", "namespaces", "--chunk-size=2")


def test_get_watches(space: Space, version: str, run: Run) -> None:
    space.apply(CONFIG)
    watching = subprocess.Popen(
        [KUBECTLS[version], "get", "cm", "c", "-n", space.name, "-w", "-o", "jsonpath={.data.k}{'\\n'}"],
        env={"KUBECONFIG": str(space.cluster.kubeconfig), "HOME": str(space.cluster.directory)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "1\n"
        run("patch", "cm", "c", "--type=merge", "-p", '{"data":{"k":"2"}}')
        assert watching.stdout.readline() == "2\n"
    finally:
        watching.kill()
        watching.communicate()


def test_replace_and_patches(space: Space, run: Run) -> None:
    space.apply(CONFIG)
    before = run("get", "cm", "c", "-o", "jsonpath={.metadata.uid}")
    assert run("replace", "-f", "-", manifest=config("2")) == "configmap/c replaced\n"
    assert run("get", "cm", "c", "-o", "jsonpath={.metadata.uid}{.data.k}") == f"{before}2"
    assert run("replace", "--force", "-f", "-", manifest=config("3")).splitlines()[-1] == (
        "configmap/c replaced"
    )
    assert run("get", "cm", "c", "-o", "jsonpath={.metadata.uid}") != before
    deploy(run, replicas=1)
    patch = ("patch", "deploy", "d")
    run(*patch, "--type=merge", "-p", '{"metadata":{"labels":{"m":"1"}}}')
    run(*patch, "--type=json", "-p", '[{"op":"add","path":"/metadata/labels/j","value":"1"}]')
    run(*patch, "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s"}]}}}}')
    found = json.loads(run("get", "deploy", "d", "-o", "json"))
    assert found["metadata"]["labels"] == {"app": "d", "m": "1", "j": "1"}
    assert sorted(c["image"] for c in found["spec"]["template"]["spec"]["containers"]) == ["i:1", "s"]
    assert run(*patch, "-p", '{"metadata":{"labels":{"m":"1"}}}') == "deployment.apps/d patched (no change)\n"
    run(*patch, "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":3}}')
    assert run("get", "deploy", "d", "--subresource=scale", "-o", "jsonpath={.spec.replicas}") == "3"
    condition = '{"status":{"conditions":[{"type":"Matrix","status":"True"}]}}'
    run(*patch, "--subresource=status", "-p", condition)
    assert run("wait", "deploy/d", "--for=condition=Matrix", "--timeout=10s") == (
        "deployment.apps/d condition met\n"
    )


GENERATORS = (
    ("clusterrole", "{n}-r", "--verb=get,list", "--resource=pods"),
    ("clusterrolebinding", "{n}-b", "--clusterrole=view", "--group=g"),
    ("configmap", "m", "--from-literal=a=b"),
    ("cronjob", "cj", "--image=i", "--schedule=0 0 1 1 *"),
    ("deployment", "dep", "--image=i", "--replicas=1", "--port=80"),
    ("ingress", "ing", "--rule=example.com/path*=svc:80,tls=cert", "--class=x"),
    ("job", "jb", "--image=i"),
    ("job", "jb2", "--from=cronjob/cj"),
    ("namespace", "{n}-more"),
    ("poddisruptionbudget", "pdb", "--selector=app=x", "--min-available=1"),
    ("priorityclass", "{n}-p", "--value=5", "--description=d"),
    ("quota", "q", "--hard=pods=50,services=20"),
    ("role", "r", "--verb=get", "--resource=pods"),
    ("rolebinding", "rb", "--role=r", "--user=jane", "--serviceaccount=default:x"),
    ("secret", "generic", "s", "--from-literal=a=b"),
    ("secret", "docker-registry", "sd", "--docker-username=u", "--docker-password=p"),
    ("service", "clusterip", "s1", "--tcp=80:8080"),
    ("service", "nodeport", "s2", "--tcp=80:8080"),
    ("service", "loadbalancer", "s3", "--tcp=80:8080"),
    ("service", "externalname", "s4", "--external-name=example.com"),
    ("serviceaccount", "sa"),
)


def test_create_of_every_kind(run: Run, space: Space) -> None:
    made = [
        run("create", *(part.format(n=space.name) for part in words), "-o", "name") for words in GENERATORS
    ]
    assert [name for name in made if not run("get", name.strip(), "-o", "name")] == []
    assert run("create", "token", "sa", "--duration=10m").count(".") == 2
    assert run("get", "quota", "q", "-o", "jsonpath={.spec.hard.pods}") == "50"
    cluster_wide = [name.strip() for name in made if space.name in name]
    assert len(cluster_wide) == 4
    run("delete", *cluster_wide, "--wait=false")


def test_cascades(run: Run, space: Space) -> None:
    for name in ("background", "foreground", "orphan"):
        deploy(run, name, 1)
        run("delete", "deploy", name, f"--cascade={name}", "--timeout=60s")
    until(lambda: run("get", "rs", "-o", "name").count("replicaset.apps/") == 1)
    assert run("get", "rs", "-o", "name").startswith("replicaset.apps/orphan-")
    assert not run("get", "rs", "-o", "jsonpath={.items[*].metadata.ownerReferences}")
    run("delete", "rs", "--all")


def test_deployments_from_birth_to_history(run: Run) -> None:
    deploy(run)
    assert run("scale", "deploy/d", "--replicas=3", "--current-replicas=2") == "deployment.apps/d scaled\n"
    assert run("autoscale", "deploy", "d", "--max=5", "--cpu-percent=50") == (
        "horizontalpodautoscaler.autoscaling/d autoscaled\n"
    )
    assert run("set", "image", "deploy/d", "i=i:2") == "deployment.apps/d image updated\n"
    assert run("set", "env", "deploy/d", "A=b") == "deployment.apps/d env updated\n"
    assert run("set", "env", "deploy/d", "--list") == "# Deployment d, container i\nA=b\n"
    assert run("set", "resources", "deploy/d", "--requests=cpu=1m") == (
        "deployment.apps/d resource requirements updated\n"
    )
    assert run("set", "serviceaccount", "deploy/d", "default") == "deployment.apps/d serviceaccount updated\n"
    run("rollout", "status", "deploy/d", "--timeout=60s")
    revisions = [
        line.split()[0] for line in run("rollout", "history", "deploy/d").splitlines() if line[:1].isdigit()
    ]
    assert revisions[0] == "1"
    assert "i:1" in run("rollout", "history", "deploy/d", "--revision=1")
    assert run("rollout", "undo", "deploy/d", "--to-revision=1") == "deployment.apps/d rolled back\n"
    assert run("get", "deploy", "d", "-o", "jsonpath={.spec.template.spec.containers[0].image}") == "i:1"
    assert run("rollout", "pause", "deploy/d") == "deployment.apps/d paused\n"
    assert run("rollout", "resume", "deploy/d") == "deployment.apps/d resumed\n"
    assert run("rollout", "restart", "deploy/d") == "deployment.apps/d restarted\n"
    assert "successfully rolled out" in run("rollout", "status", "deploy/d", "--timeout=60s")
    assert run("expose", "deploy/d", "--port=80", "--name=web") == "service/web exposed\n"
    assert run("set", "selector", "svc", "web", "x=y") == "service/web selector updated\n"
    assert run("get", "all", "-o", "name").count("\n") >= 6


def test_pods_labels_and_taints(run: Run) -> None:
    assert run("run", "p", "--image=i", "--labels=a=b", "--port=80", "--expose") == (
        "service/p created\npod/p created\n"
    )
    assert run("wait", "pod/p", "--for=condition=Ready", "--timeout=30s") == "pod/p condition met\n"
    assert run("wait", "pod/p", "--for=jsonpath={.status.phase}=Running", "--timeout=30s") == (
        "pod/p condition met\n"
    )
    assert run("label", "pod", "p", "c=d") == "pod/p labeled\n"
    assert run("label", "pod", "p", "c=e", "--overwrite") == "pod/p labeled\n"
    assert run("label", "pod", "p", "c-") == "pod/p unlabeled\n"
    assert run("annotate", "pod", "p", "n=1") in ("pod/p annotated\n", "pod/p annotate\n")  # 1.27's word
    assert run("get", "pod", "p", "-L", "a", "--no-headers").split()[-1] == "b"
    assert run("taint", "node", "sim-1", "k=v:NoSchedule") == "node/sim-1 tainted\n"
    assert run("taint", "node", "sim-1", "k-") == "node/sim-1 untainted\n"
    assert run("cordon", "sim-1") == "node/sim-1 cordoned\n"
    assert run("drain", "sim-1", "--ignore-daemonsets", "--pod-selector=none=none").endswith(
        "node/sim-1 drained\n"
    )
    assert run("uncordon", "sim-1") == "node/sim-1 uncordoned\n"
    assert "Normal" in run("describe", "pod", "p")
    until(lambda: "Scheduled" in run("events", "--for=pod/p"))
    until(lambda: "Scheduled" in run("get", "events", "--field-selector=involvedObject.name=p"))
    assert run("debug", "p", "--image=i:debug", "-c", "dbg", "--attach=false", "-q") == ""
    assert run("get", "pod", "p", "-o", "jsonpath={.spec.ephemeralContainers[*].name}") == "dbg"
    assert run("debug", "p", "--copy-to=p2", "--set-image=*=i:2", "--attach=false", "-q") == ""
    assert run("get", "pod", "p2", "-o", "jsonpath={.spec.containers[0].image}") == "i:2"
    run("delete", "pod", "p", "--wait=false")
    assert run("wait", "pod/p", "--for=delete", "--timeout=60s") in ("", "pod/p condition met\n")


def test_who_may_do_what(run: Run, space: Space, version: str) -> None:
    assert run("auth", "can-i", "get", "pods") == "yes\n"
    refused = space.kubectl("auth", "can-i", "get", "pods", "--as=nobody", version=version, check=False)
    assert (refused.returncode, refused.stdout) == (1, "no\n")
    assert "*.*" in run("auth", "can-i", "--list")
    if version != "1.27":  # there since 1.28
        assert "system:masters" in run("auth", "whoami")
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": space.name},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }  # fmt: skip
    assert run("auth", "reconcile", "-f", "-", manifest=role).startswith(
        "role.rbac.authorization.k8s.io/r reconciled"
    )


def test_certificates(run: Run, space: Space) -> None:
    import kind_examples

    def request(name: str) -> str:
        body = {
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
            "spec": {
                "request": kind_examples.certificate_request("jane"), "usages": ["client auth"],
                "signerName": "kubernetes.io/kube-apiserver-client",
            },
        }  # fmt: skip
        run("create", "-f", "-", manifest=body)
        return name

    good, bad = request(f"{space.name}-good"), request(f"{space.name}-bad")
    signed = f"certificatesigningrequest.certificates.k8s.io/{good}"
    assert run("certificate", "approve", good) == f"{signed} approved\n"
    assert run("certificate", "deny", bad).endswith(" denied\n")
    until(lambda: run("get", "csr", good, "-o", "jsonpath={.status.certificate}"))
    assert run("get", "csr", bad, "--no-headers").split()[-1] == "Denied"
    run("delete", "csr", good, bad)


def test_kustomize_edit_and_configuration(run: Run, space: Space, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(
        "namePrefix: pre-\nconfigMapGenerator:\n- name: g\n  literals: [a=b]\n"
        "generatorOptions: {disableNameSuffixHash: true}\n"
    )
    assert "name: pre-g" in run("kustomize", str(tmp_path))
    assert run("apply", "-k", str(tmp_path)) == "configmap/pre-g created\n"
    edited = run("edit", "cm", "pre-g", env={"KUBE_EDITOR": "sed -i s/a:.b/a:\\ c/"})
    assert edited == "configmap/pre-g edited\n"
    assert run("get", "cm", "pre-g", "-o", "jsonpath={.data.a}") == "c"
    assert run("delete", "-k", str(tmp_path)).startswith('configmap "pre-g" deleted')
    assert "current-context: pinnace-" in run("config", "view", "--minify")
    assert "Kubernetes control plane" in run("cluster-info")
    run("cluster-info", "dump", "--namespaces", space.name, "--output-directory", str(tmp_path / "dump"))
    assert json.loads((tmp_path / "dump" / "nodes.json").read_text())["kind"] == "NodeList"
    assert json.loads(run("version", "-o", "json"))["serverVersion"]["minor"] == "36"


def test_top(run: Run, space: Space, version: str) -> None:
    """Simulated nodes measure nothing: kubectl is told so by the metrics API itself."""
    answer = space.kubectl("top", "nodes", version=version, check=False)
    assert answer.returncode == 0 or "metrics" in answer.stderr, answer
