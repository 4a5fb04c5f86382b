"""`pinnace why` about real containers: what containerd, the kubelet and the scheduler say of faults is understood."""

import json
from typing import Any

from e2e_support import Space, pinnace, pod, until

FAULTS = {
    # pod -> (rule, what the cause contains, what the evidence contains)
    "nopull": ("image", "the registry 127.0.0.1:1 cannot be reached from the node", "127.0.0.1:1/none:1"),
    "noname": ("image", '"Not/A:valid:name" (container main) is not the name of an image', "InvalidImageName"),
    "unset": ("references", "ConfigMap settings, which it needs, is not there", "settings"),
    "crash": ("crash", "container main ends with exit code 3: its own error", "no database"),
    "hungry": ("crash", "container main used more memory than it may have (its limit is 16Mi)", "OOMKilled"),
    "probed": ("not-ready", "its readiness probe (run cat /tmp/ready) does not succeed", "No such file"),
    "killed": ("crash", "container main is killed because its liveness probe fails", "Liveness probe failed"),
    "rooted": ("container-config", "container main must not run as root", "runAsNonRoot"),
    "nodir": ("mounts", "a volume cannot be mounted: ", "/does/not/exist"),
    "huge": ("unschedulable", "no node is large enough: it asks for 1k of cpu", "scheduler decision: Insufficient cpu: "),
}  # fmt: skip


def faulty() -> list[dict[str, Any]]:
    def probe(kind: str, command: list[str]) -> dict[str, Any]:
        return {kind: {"exec": {"command": command}, "periodSeconds": 1, "failureThreshold": 1}}

    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "x"}}}]
    return [
        pod("nopull", container={"image": "127.0.0.1:1/none:1"}),
        pod("noname", container={"image": "Not/A:valid:name"}),
        pod("unset", container={"env": env}),
        pod("crash", "echo no database; exit 3"),
        pod("hungry", "a=x; while true; do a=$a$a; done", container={"resources": {"limits": {"memory": "16Mi"}}}),
        pod("probed", container=probe("readinessProbe", ["cat", "/tmp/ready"])),
        pod("killed", container=probe("livenessProbe", ["false"]), terminationGracePeriodSeconds=0),
        pod("rooted", container={"securityContext": {"runAsNonRoot": True}}),
        pod("nodir", volumes=[{"name": "v", "hostPath": {"path": "/does/not/exist", "type": "Directory"}}],
            container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
        pod("huge", container={"resources": {"requests": {"cpu": "1k"}}}),
    ]  # fmt: skip


def test_faults_of_real_pods(space: Space) -> None:
    space.apply(*faulty())

    def why(*words: str) -> dict[str, Any]:
        done = pinnace("why", *words, "-n", space.name, "-o", "json", env=environment, check=False)
        assert done.returncode in (0, 2), done
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    environment = {"KUBECONFIG": str(space.cluster.kubeconfig)}

    def missing() -> list[str]:
        found = why()["findings"]
        return [
            name for name, wanted in FAULTS.items() if not any(_tells(one, name, *wanted) for one in found)
        ]

    last: list[str] = []

    def all_told() -> bool:
        last[:] = missing()
        return not last

    try:
        until(all_told, within=60, every=0.5)
    except AssertionError as error:
        raise AssertionError(f"not told: {last}\n{json.dumps(why(), indent=1)}") from error
    assert {one["object"]["name"] for one in why("pod", "huge")["findings"]} == {"huge"}


def _tells(one: dict[str, Any], name: str, rule: str, cause: str, evidence: str) -> bool:
    seen = " ".join(f"{part['where']}: {part['text']}" for part in one["evidence"])
    return (
        one["object"]["name"] == name and one["rule"] == rule and cause in one["cause"] and evidence in seen
    )
