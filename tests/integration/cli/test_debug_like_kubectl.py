"""`debug` and `run` beside the real kubectl: what they say, and that the same pods come of them."""

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml

from beside_kubectl import Program, difference
from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess

pytestmark = pytest.mark.slow
POD = """
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one, v: "1"}, annotations: {note: text}}
spec:
  securityContext: {runAsUser: 1000}
  initContainers: [{name: setup, image: busybox}]
  containers:
  - name: main
    image: nginx:1
    args: [a]
    livenessProbe: {httpGet: {path: /, port: 80}}
    readinessProbe: {httpGet: {path: /, port: 80}}
    startupProbe: {httpGet: {path: /, port: 80}}
    securityContext: {capabilities: {add: [CHOWN]}}
  - {name: side, image: busybox, env: [{name: A, value: "1"}]}
  nodeName: n1
"""
CUSTOM = {
    "env": [{"name": "A", "value": "changed"}, {"name": "B", "value": "2"}],
    "securityContext": {"runAsUser": 0, "capabilities": {"add": ["SYS_TIME"]}},
    "resources": {"requests": {"cpu": "10m"}},
    "nonesuch": 1,
}
NEWER = {"app.kubernetes.io/managed-by": "kubectl-debug"}  # a label that kubectl 1.33 did not set yet
PROFILES = ("legacy", "general", "baseline", "restricted", "netadmin", "sysadmin")
COPY = "debug one --copy-to=c --image=busybox --profile"
COMMANDS = [
    *(f"debug one --image=busybox -c e-{profile} --profile={profile}" for profile in ("legacy", "restricted", "sysadmin")),
    *(f"debug node/n1 --image=busybox --profile={profile}" for profile in ("general", "netadmin", "sysadmin")),
    *(f"{COPY}={profile} -c main --env=X=1 --attach=false -i" for profile in ("legacy", "general", "baseline", "restricted")),
    "debug one --image=busybox --target=main --env=X=1 -c e --image-pull-policy=Always -- sh -c ls",
    "debug one --image=busybox", "debug one --image=busybox -c g --custom=CUSTOM --profile=netadmin",
    f"{COPY}=general -c d --keep-labels --keep-annotations --keep-liveness --keep-readiness --keep-startup --keep-init-containers=false",
    f"{COPY}=general -c setup --profile=sysadmin", "debug one --copy-to=c --set-image=main=nginx:2,side=b:2",
    "debug one --copy-to=c --replace --image=busybox -c d --same-node --share-processes=false --arguments-only -- sleep 1",
    "debug one --image=UPPER", "debug one --image=a --set-image=a", "debug nope --image=a", "debug one node/n1 --image=busybox -c h --profile=general",
    "run r1 --image=a --port=80 --expose", "run r3 --image=a -i -t --attach=false --leave-stdin-open -l a=b",
    "run r4 --image=a --rm", "run r4 --image=a --port=81 --expose --dry-run=client -o yaml", "attach a b c", "attach one --pod-running-timeout=0s",
]  # fmt: skip
MORE = [
    *(f"debug one --image=busybox -c e-{profile} --profile={profile}" for profile in ("general", "baseline", "netadmin")),
    *(f"debug node/n1 --image=busybox --profile={profile}" for profile in ("legacy", "baseline", "restricted")),
    *(f"{COPY}={profile} -c d --same-node" for profile in PROFILES),
    *(f"{COPY}={profile} -c main --env=X=1 --attach=false -i" for profile in ("netadmin", "sysadmin")),
    "debug one --image=busybox --arguments-only -c f --attach=false -i -t -- sh -c ls", "debug one --image=busybox -q",
    "debug one --image=busybox -c g --custom=CUSTOM", f"{COPY}=general -c d --keep-liveness --share-processes=false -- sleep 1",
    f"{COPY}=legacy -c d --share-processes --arguments-only -- sleep 1", f"{COPY}=general", f"{COPY}=general -c side --custom=CUSTOM",
    "debug one --copy-to=c --set-image=*=x --profile=general", "debug one --copy-to=c --container=main -- sh",
    "debug one --copy-to=c --container=main --set-image=*=y -- sh", "debug one --copy-to=one --image=busybox -c d",
    "debug node/n1 --image=busybox -c x -q --env=A=b -- ls /host", "debug node/n1 --image=busybox --custom=CUSTOM --profile=general",
    "debug", "debug one", "debug --image=a", "debug one --image=a --replace", "debug one --image=a --same-node",
    "debug one --image=a --set-image=a=b", "debug one --copy-to=c", "debug one --copy-to=c -- sh", "debug one --copy-to=c --image=a --target=main",
    "debug one --image=a -t", "debug one --image=a --image-pull-policy=x", "debug one --copy-to=c --set-image=a=B", "debug one --attach --copy-to=c",
    "debug one --image=a --profile=x", "debug one --image=a --custom=/nope", "debug node/nope --image=a", "debug deploy/web --image=a",
    "debug one --copy-to=c -c nope --profile=general -- sh", "debug one --image=a --custom=NAMED",
    "run r2 --image=a -i --attach=false", "run r4 --image=a -t", "run r4 --image=a --expose", "run r4 --image=a -i --dry-run=client",
    "run r4 --image=A", 'run r5 --image=a --overrides={"spec":{"hostNetwork":true}}', "run r6 --image=a --image-pull-policy=x",
    "attach", "attach nope", "attach pods nope",
]  # fmt: skip


def steady(text: str) -> str:
    """Without names that chance made, and what a newer kubectl says otherwise."""
    text = re.sub(r"\n  (creationTimestamp: null|namespace: [ab])", "", text)
    return re.sub(r"(debugger-(?:n1-)?|kube-api-access-)[a-z0-9]{5}\b", r"\1x", text)


async def state(api_server: ApiServerInProcess, namespace: str) -> str:
    """What is in a namespace, for comparison: pods and services without what the server adds."""
    client = api_server.local_client()
    found = [
        *(await client.list(r.PODS, namespace))["items"],
        *(await client.list(r.SERVICES, namespace))["items"],
    ]
    text = []
    for obj in found:
        metadata = {key: obj["metadata"].get(key) for key in ("name", "labels", "annotations")}
        if metadata["labels"] == NEWER:
            metadata["labels"] = None
        spec = {key: value for key, value in obj["spec"].items() if not key.startswith("clusterIP")}
        spec.pop("ephemeralContainers", None)
        containers = sorted(obj["spec"].get("ephemeralContainers") or (), key=lambda c: len(json.dumps(c)))
        text.append(steady(json.dumps([metadata, spec, containers], sort_keys=True, indent=1)))
    return "\n".join(sorted(text))


async def emptied(api_server: ApiServerInProcess, namespace: str) -> None:
    client = api_server.local_client()
    for pod in (await client.list(r.PODS, namespace))["items"]:
        await client.delete(r.PODS, pod["metadata"]["name"], namespace, grace_period_seconds=0)


@pytest.mark.parametrize(
    "commands", [COMMANDS, pytest.param(MORE, marks=pytest.mark.full)], ids=["some", "all"]
)
async def test_debug_and_run_are_the_same(
    newest_programs: tuple[Program, Program],
    api_server: ApiServerInProcess,
    tmp_path: Path,
    commands: list[str],
) -> None:
    kubectl, ours = newest_programs
    custom, named = tmp_path / "custom.json", tmp_path / "named.yaml"
    custom.write_text(json.dumps(CUSTOM))
    named.write_text("name: other\n")
    differences = []
    for command in commands:
        words = command.replace("CUSTOM", str(custom)).replace("NAMED", str(named)).split()
        for namespace in ("a", "b"):
            await api_server.local_client().create(r.PODS, yaml.safe_load(POD), namespace)
        both = await asyncio.gather(kubectl("-n", "a", *words), ours("-n", "b", *words))
        answers = [(code, steady(out), steady(err)) for code, out, err in both]
        states = [await state(api_server, namespace) for namespace in ("a", "b")]
        await emptied(api_server, "a")
        await emptied(api_server, "b")
        if answers[0] != answers[1]:
            differences.append(difference(command, *answers))
        if states[0] != states[1]:
            differences.append(difference(command, *((0, text, "") for text in states)))
    assert not differences, "\n".join(differences)
