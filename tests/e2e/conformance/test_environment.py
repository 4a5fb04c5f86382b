"""What a container finds when it starts: variables, command, user, names, kernel settings; and what is told of its end."""

import base64
import tempfile
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.runs import Result, Run, judge
from e2e_support import Space, TestCluster
from pinnace.cluster import demo, images
from pinnace.cluster.image_archive import ImageSettings

S = "[sig-node] "
C = " [Conformance]"
N = " [NodeConformance] [Conformance]"
L = " [LinuxOnly] [NodeConformance] [Conformance]"
ENTRY = "pinnace.local/entry:1"
MARKS = ("p-", "1", "#!", "a.b/")
BOUND = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}


def variables(*names: str) -> str:
    return "; ".join(f'echo "${name}"' for name in names)


def env(**values: Any) -> dict[str, Any]:
    return {"env": [{"name": n, **({"value": v} if isinstance(v, str) else {"valueFrom": v})} for n, v in values.items()]}  # fmt: skip


def of_field(path: str) -> dict[str, Any]:
    return {"fieldRef": {"fieldPath": path}}


def of_resource(resource: str) -> dict[str, Any]:
    return {"resourceFieldRef": {"resource": resource}}


def prefixed(kind: str) -> Run:
    """The shell keeps no odd names: the variables are read as the kernel gave them ($$ in a command stands for $)."""
    script = "tr '\\0' '\\n' </proc/$$$$/environ | grep value-1 | sort"
    said = "\n".join(sorted(f"{mark}data-1=value-1" for mark in MARKS))
    sources = [{"prefix": mark, kind: {"name": "data"}} for mark in MARKS]
    return Run("LC_ALL=C; export LC_ALL; " + script, said, container={"envFrom": sources})


def security(**fields: Any) -> dict[str, Any]:
    return {"securityContext": fields}


def below(expression: str) -> dict[str, list[dict[str, Any]]]:
    return {"v": [{"mountPath": "/whole"}, {"mountPath": "/part", "subPathExpr": expression}]}


# fmt: off
VARIABLES = [
    pytest.param(Run(variables("X"), "value-1", container=env(X={"configMapKeyRef": {"name": "data", "key": "data-1"}})),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable via environment variable" + N)),
    pytest.param(Run("env | grep plain_ | sort", "p_plain_a=1\np_plain_b=2\nplain_a=1\nplain_b=2",
                     container={"envFrom": [{"configMapRef": {"name": "data"}}, {"prefix": "p_", "configMapRef": {"name": "data"}}]}),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable via the environment" + N)),
    pytest.param(prefixed("configMapRef"),
                 marks=pytest.mark.conformance(S + "ConfigMap should be consumable as environment variable names with various prefixes" + C)),
    pytest.param(Run(variables("X"), "value-1", container=env(X={"secretKeyRef": {"name": "data", "key": "data-1"}})),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable from pods in env vars" + N)),
    pytest.param(Run("env | grep plain_ | sort", "p_plain_a=1\np_plain_b=2\nplain_a=1\nplain_b=2",
                     container={"envFrom": [{"secretRef": {"name": "data"}}, {"prefix": "p_", "secretRef": {"name": "data"}}]}),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable via the environment" + N)),
    pytest.param(prefixed("secretRef"),
                 marks=pytest.mark.conformance(S + "Secrets should be consumable as environment variable names variable names with various prefixes" + C)),
    pytest.param(Run(variables("A", "B", "C"), "{name}\n{namespace}\n{podIP}",
                     container=env(A=of_field("metadata.name"), B=of_field("metadata.namespace"), C=of_field("status.podIP"))),
                 marks=pytest.mark.conformance(S + "Downward API should provide pod name, namespace and IP address as env vars" + N)),
    pytest.param(Run(variables("A"), "{uid}", container=env(A=of_field("metadata.uid"))),
                 marks=pytest.mark.conformance(S + "Downward API should provide pod UID as env vars" + N)),
    pytest.param(Run(variables("A"), "{hostIP}", container=env(A=of_field("status.hostIP"))),
                 marks=pytest.mark.conformance(S + "Downward API should provide host IP as an env var" + N)),
    pytest.param(Run(variables("A"), "{hostIP}", container=env(A=of_field("status.hostIPs"))),
                 marks=pytest.mark.conformance(S + "Downward API should provide hostIPs as an env var" + N)),
    pytest.param(Run(variables("A", "B", "C", "D"), "2\n67108864\n1\n33554432",
                     container={"resources": BOUND, **env(A=of_resource("limits.cpu"), B=of_resource("limits.memory"),
                                                          C=of_resource("requests.cpu"), D=of_resource("requests.memory"))}),
                 marks=pytest.mark.conformance(S + "Downward API should provide container's limits.cpu/memory and requests.cpu/memory as env vars" + N)),
    pytest.param(Run(variables("A", "B"), "{cpu}\n{memory}", container=env(A=of_resource("limits.cpu"), B=of_resource("limits.memory"))),
                 marks=pytest.mark.conformance(S + "Downward API should provide default limits.cpu/memory from node allocatable" + N)),
    pytest.param(Run(variables("C"), "one;;two;;", container=env(A="one", B="two", C="$(A);;$(B);;")),
                 marks=pytest.mark.conformance(S + "Variable Expansion should allow composing env vars into new env vars" + N)),
    pytest.param(Run("", "test-value", container={"command": ["sh", "-c"], "args": ["A=wrong; echo $(A)"], **env(A="test-value")}),
                 marks=pytest.mark.conformance(S + "Variable Expansion should allow substituting values in a container's args" + N)),
    pytest.param(Run("", "test-value", container={"command": ["sh", "-c", "A=wrong; echo $(A)"], **env(A="test-value")}),
                 marks=pytest.mark.conformance(S + "Variable Expansion should allow substituting values in a container's command" + N)),
    pytest.param(Run("echo here > /part/f; cat /whole/{name}/f".replace("{name}", "$A"), "here", {"v": {"emptyDir": {}}},
                     below("$(A)"), container=env(A=of_field("metadata.name"))),
                 marks=pytest.mark.conformance(S + "Variable Expansion should allow substituting values in a volume subpath" + C)),
]
CONTAINERS = [
    pytest.param(Run("", "entry default", container={"image": ENTRY}),
                 marks=pytest.mark.conformance(S + "Containers should use the image defaults if command and args are blank" + N)),
    pytest.param(Run("", "entry override arguments", container={"image": ENTRY, "args": ["override", "arguments"]}),
                 marks=pytest.mark.conformance(S + "Containers should be able to override the image's default arguments (container cmd)" + N)),
    pytest.param(Run("", "/", container={"image": ENTRY, "command": ["readlink", "-f", "/"]}),
                 marks=pytest.mark.conformance(S + "Containers should be able to override the image's default command (container entrypoint)" + N)),
    pytest.param(Run("", "override both", container={"image": ENTRY, "command": ["printf", "%s %s\\n"], "args": ["override", "both"]}),
                 marks=pytest.mark.conformance(S + "Containers should be able to override the image's default command and arguments" + N)),
    pytest.param(Run("echo 'Hello World'; sleep 0.5; echo and errors >&2", "Hello World\nand errors"),
                 marks=pytest.mark.conformance(S + "Kubelet when scheduling a busybox command in a pod should print the output to logs" + N)),
    pytest.param(Run("echo test > /file; ls /file", "sh: can't create /file: Read-only file system\nls: /file: No such file or directory",
                     container=security(readOnlyRootFilesystem=True), ends=1),
                 marks=pytest.mark.conformance(S + "Kubelet when scheduling a read only busybox container should not write to root filesystem" + L)),
    pytest.param(Run("echo checking > /file; cat /file", "checking", container=security(readOnlyRootFilesystem=False)),
                 marks=pytest.mark.conformance(S + "Security Context When creating a pod with readOnlyRootFilesystem should run the container with writable rootfs when readOnlyRootFilesystem=false" + N)),
    pytest.param(Run("id -u", "65534", container=security(runAsUser=65534)),
                 marks=pytest.mark.conformance(S + "Security Context When creating a container with runAsUser should run the container with uid 65534" + L)),
    pytest.param(Run("ip link add dummy0 type dummy 2>&1", "ip: RTNETLINK answers: Operation not permitted", container=security(privileged=False), ends=2),
                 marks=pytest.mark.conformance(S + "Security Context When creating a pod with privileged should run the container as unprivileged when false" + L)),
    pytest.param(Run("id -u; awk '/NoNewPrivs/{print $2}' /proc/self/status; /v/id -u || true", "1000\n1\n1000", {"v": {"emptyDir": {}}},
                     container=security(runAsUser=1000, allowPrivilegeEscalation=False),
                     pod={"initContainers": [{"name": "i", "image": "pinnace.local/demo:1", "volumeMounts": [{"name": "c0-v", "mountPath": "/v"}],
                                              "command": ["sh", "-c", "cp /bin/busybox /v/id && busybox chmod 4755 /v/id"]}]}),
                 marks=pytest.mark.conformance(S + "Security Context when creating containers with AllowPrivilegeEscalation should not allow privilege escalation when false" + L)),
    pytest.param(Run("id -u; id -g", "1001\n2002", container=security(runAsUser=1001, runAsGroup=2002)),
                 marks=pytest.mark.conformance(S + "Security Context should support container.SecurityContext.RunAsUser And container.SecurityContext.RunAsGroup [LinuxOnly]" + C)),
    pytest.param(Run("id -u; id -g", "1001\n2002", pod=security(runAsUser=1001, runAsGroup=2002)),
                 marks=pytest.mark.conformance(S + "Security Context should support pod.Spec.SecurityContext.RunAsUser And pod.Spec.SecurityContext.RunAsGroup [LinuxOnly]" + C)),
    pytest.param(Run("cat /proc/sys/kernel/shm_rmid_forced", "1", pod=security(sysctls=[{"name": "kernel.shm_rmid_forced", "value": "1"}])),
                 marks=pytest.mark.conformance(S + "Sysctls [LinuxOnly] [NodeConformance] should support sysctls [Environment:NotInUserNS]" + C)),
    pytest.param(Run("grep 123.45 /etc/hosts", "123.45.67.89\tfoo\tbar", pod={"hostAliases": [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]}),
                 marks=pytest.mark.conformance(S + "Kubelet when scheduling an agnhost Pod with hostAliases should write entries to /etc/hosts" + N)),
]
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600, "audience": "somebody"}}
TOKENS = [
    pytest.param(Run(f"cat {ACCOUNT}/namespace; echo; head -n 1 {ACCOUNT}/ca.crt; tr -cd . < {ACCOUNT}/token", "{namespace}\n-----BEGIN CERTIFICATE-----\n.."),
                 marks=pytest.mark.conformance("[sig-auth] ServiceAccounts should mount an API token into pods" + C)),
    pytest.param(Run("tr -cd . < /v/token; echo; cut -d. -f2 /v/token | tr _- /+ | base64 -d 2>/dev/null | grep -o '\"aud\":\\[\"somebody\"\\]'", '..\n"aud":["somebody"]',
                     {"v": {"projected": {"sources": [TOKEN]}}}),
                 marks=pytest.mark.conformance("[sig-auth] ServiceAccounts should mount projected service account token" + C)),
]
R = S + "Container Runtime blackbox test on terminated container should report termination message "
FALLBACK = {"terminationMessagePolicy": "FallbackToLogsOnError"}
MESSAGES = [
    pytest.param(Run("", "DONE", container={"command": ["sh", "-c", "echo -n DONE"], **FALLBACK}), "",
                 marks=pytest.mark.conformance(R + "as empty when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set" + N)),
    pytest.param(Run("", "", container={"command": ["sh", "-c", "echo -n OK > /dev/termination-log"], **FALLBACK}), "OK",
                 marks=pytest.mark.conformance(R + "from file when pod succeeds and TerminationMessagePolicy FallbackToLogsOnError is set" + N)),
    pytest.param(Run("", "DONE", container={"command": ["sh", "-c", "echo -n DONE; exit 1"], **FALLBACK}, ends=1), "DONE",
                 marks=pytest.mark.conformance(R + "from log output if TerminationMessagePolicy FallbackToLogsOnError is set" + N)),
    pytest.param(Run("", "", container={"command": ["sh", "-c", "echo -n DONE > /dev/termination-custom-log"], "terminationMessagePath": "/dev/termination-custom-log",
                                        **security(runAsUser=1000)}), "DONE",
                 marks=pytest.mark.conformance(R + "if TerminationMessagePath is set as non-root user and at a non-default path" + N)),
]
# fmt: on


@pytest.fixture(scope="module")
def furnished(place: Space, cluster: TestCluster) -> Space:
    data = {"data-1": "value-1", "plain_a": "1", "plain_b": "2"}
    secret = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": "data"}
    place.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data},
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": secret},
    )
    socket = str(cluster.data / "containerd" / "state" / "containerd.sock")
    with tempfile.TemporaryDirectory() as scratch:
        demo.root_directory(Path(scratch))
        settings = ImageSettings(entrypoint=("echo", "entry"), cmd=("default",))
        images.load(socket, Path(scratch), ENTRY, settings)
    return place


@pytest.mark.parametrize("run", [*VARIABLES, *CONTAINERS, *TOKENS])
def test_containers_start_as_asked(run: Run, printed: dict[Run, Result]) -> None:
    judge(run, printed[run])


@pytest.mark.parametrize(("run", "message"), MESSAGES)
def test_the_end_is_told(run: Run, message: str, printed: dict[Run, Result]) -> None:
    judge(run, printed[run])
    assert printed[run].message == message
