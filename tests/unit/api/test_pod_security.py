"""The Pod Security Standards: what each check says, in upstream's words, and since which version."""

from typing import Any

import pytest

from pinnace.api.pod_security.evaluation import evaluate
from pinnace.api.pod_security.levels import LATEST, LevelVersion, Policy, parse_version, policy_of

Object = dict[str, Any]


def container(name: str = "c", **more: Any) -> Object:
    return {"name": name, "image": "i", **more}


def secure(name: str = "c", **security: Any) -> Object:
    return container(name, securityContext=security)


def details(level: str, spec: Object, version: int = LATEST, **annotations: str) -> str:
    spec = {"containers": [container()], **spec}
    return evaluate(LevelVersion(level, version), {"annotations": annotations}, spec).details


HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def test_a_plain_pod_meets_the_baseline_and_not_the_restricted_standard() -> None:
    assert details("privileged", {"hostNetwork": True}) == ""
    assert details("baseline", {}) == ""
    assert details("restricted", {}) == (
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    assert details("restricted", {"containers": [secure(**HARDENED)]}) == ""


BASELINE = [
    ({"hostNetwork": True, "hostPID": True}, "host namespaces (hostNetwork=true, hostPID=true)"),
    (
        {"containers": [secure("a", privileged=True), secure("b", privileged=True)]},
        'privileged (containers "a", "b" must not set securityContext.privileged=true)',
    ),
    (
        {"ephemeralContainers": [secure("debug", privileged=True)]},
        'privileged (container "debug" must not set securityContext.privileged=true)',
    ),
    (
        {"containers": [secure(capabilities={"add": ["NET_RAW", "CHOWN", "BPF"]})]},
        'non-default capabilities (container "c" must not include "BPF", "NET_RAW" in securityContext.capabilities.add)',
    ),
    (
        {"volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}}]},
        'hostPath volumes (volume "v")',
    ),
    (
        {"containers": [container(ports=[{"hostPort": 80}, {"hostPort": 443}, {"containerPort": 1}])]},
        'hostPort (container "c" uses hostPorts 443, 80)',
    ),
    (
        {"containers": [container(livenessProbe={"httpGet": {"host": "h", "port": 1}})]},
        'probe or lifecycle host (container "c" uses probe or lifecycle host "h")',
    ),
    (
        {"containers": [container(lifecycle={"preStop": {"tcpSocket": {"host": "h", "port": 1}}})]},
        'probe or lifecycle host (container "c" uses probe or lifecycle host "h")',
    ),
    (
        {"containers": [secure(procMount="Unmasked")]},
        'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ),
    (
        {"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u"}}},
        'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)',
    ),
    (
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    (
        {"securityContext": {"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}]}},
        "forbidden sysctls (kernel.msgmax)",
    ),
    (
        {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
        'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")',
    ),
    (
        {"securityContext": {"windowsOptions": {"hostProcess": True}}},
        "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
    ),
]


@pytest.mark.parametrize(("spec", "expected"), BASELINE)
def test_what_the_baseline_forbids(spec: Object, expected: str) -> None:
    assert details("baseline", spec) == expected


RESTRICTED = [
    (
        {"volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "n", "nfs": {}}]},
        'restricted volume types (volumes "v", "n" use restricted volume types "hostPath", "nfs")',
    ),
    ({"securityContext": {"runAsUser": 0}}, "runAsUser=0 (pod must not set runAsUser=0)"),
    (
        {"securityContext": {"runAsNonRoot": False}},
        "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
    ),
    (
        {"containers": [secure(**{**HARDENED, "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE"]}})]},
        'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)',
    ),
    (
        {"containers": [secure(**{**HARDENED, "seccompProfile": {"type": "Unconfined"}})]},
        'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), RESTRICTED)
def test_what_the_restricted_standard_forbids(spec: Object, expected: str) -> None:
    assert details("restricted", {"containers": [secure(**HARDENED)], **spec}) == expected


def test_versions_of_checks() -> None:
    sysctl = {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}}
    assert details("baseline", sysctl, 31) == "forbidden sysctls (net.ipv4.tcp_rmem)"
    assert details("baseline", sysctl, 32) == ""
    engine = {"securityContext": {"seLinuxOptions": {"type": "container_engine_t"}}}
    assert "container_engine_t" in details("baseline", engine, 30)
    assert details("baseline", engine, 31) == ""
    probe = {"containers": [container(livenessProbe={"httpGet": {"host": "h"}})]}
    assert details("baseline", probe, 33) == ""
    key = "seccomp.security.alpha.kubernetes.io/pod"
    assert (
        details("baseline", {}, 18, **{key: "unconfined"})
        == f'seccompProfile (forbidden annotation {key}="unconfined")'
    )
    assert details("baseline", {}, 19, **{key: "unconfined"}) == ""
    assert details("restricted", {}, 7) == (
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)'
    )
    windows = {"os": {"name": "windows"}, "securityContext": {"runAsNonRoot": True}}
    assert details("restricted", windows, 24) != ""
    assert details("restricted", windows, 25) == ""
    own_users = {"hostUsers": False, "containers": [secure(procMount="Unmasked")]}
    assert details("baseline", own_users, 34) != ""
    assert details("baseline", own_users, 35) == ""
    hardened = {k: v for k, v in HARDENED.items() if k != "runAsNonRoot"}
    as_root = {"hostUsers": False, "containers": [secure(runAsUser=0, **hardened)]}
    assert "runAsUser=0" in details("restricted", as_root, 34)
    assert details("restricted", as_root, 35) == ""


def test_app_armor_annotations() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/c"
    assert details("baseline", {}, **{key: "localhost/x"}) == ""
    assert details("baseline", {}, **{key: "unconfined"}) == (
        f'forbidden AppArmor profile (annotation must not set AppArmor profile type to "{key}=\\"unconfined\\"")'
    )


def test_the_policy_of_labels() -> None:
    prefix = "pod-security.kubernetes.io/"
    assert policy_of({}, Policy())[0].is_privileged
    policy, found = policy_of({f"{prefix}enforce": "baseline", f"{prefix}enforce-version": "v1.30"}, Policy())
    assert (str(policy.enforce), str(policy.warn), str(policy.audit), found) == (
        "baseline:v1.30", "baseline:v1.30", "privileged:latest", [],
    )  # fmt: skip
    policy, _ = policy_of({f"{prefix}enforce": "baseline", f"{prefix}warn": "restricted"}, Policy())
    assert str(policy) == "enforce=baseline:latest, warn=restricted:latest"
    policy, found = policy_of(
        {f"{prefix}enforce": "tight", f"{prefix}warn": "x", f"{prefix}audit-version": "1.2"}, Policy()
    )
    assert (policy.enforce.level, policy.warn.level) == ("restricted", "privileged")
    assert [f"{cause.field}: {cause.message}" for cause in found] == [
        f'metadata.labels[{prefix}enforce]: Invalid value: "tight": must be one of privileged, baseline, restricted',
        f'metadata.labels[{prefix}audit-version]: Invalid value: "1.2": must be "latest" or "v1.x"',
        f'metadata.labels[{prefix}warn]: Invalid value: "x": must be one of privileged, baseline, restricted',
    ]
    assert [parse_version(text) for text in ("latest", "v1.0", "v1.01", "v2.1")] == [LATEST, 0, None, None]
