"""What the kubelet refuses although the scheduler (or whoever set nodeName) sent it."""

from decimal import Decimal
from typing import Any

import pytest

from pinnace.api.meta import Object
from pinnace.kubelet.admission import Abilities, refusal, unsafe_sysctls_problem

NODE: Object = {"metadata": {"name": "n", "labels": {}}, "spec": {}}


def pod(**spec: Any) -> Object:
    return {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c"}], **spec}}


def sysctl(name: str, **spec: Any) -> Object:
    return pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec)


def judge(one: Object, **abilities: Any) -> tuple[str, str] | None:
    return refusal(one, NODE, [], {"pods": Decimal(10)}, Abilities(**abilities))


@pytest.mark.parametrize(
    ("name", "spec", "allowed", "message"),
    [
        ("net.ipv4.tcp_syncookies", {}, (), None),
        ("net.core.somaxconn", {}, (), 'forbidden sysctl: "net.core.somaxconn" not allowlisted'),
        ("net.core.somaxconn", {}, ("net.core.*",), None),
        ("net/core/somaxconn", {}, ("net.core.somaxconn",), None),
        ("kernel.msgmax", {}, ("kernel.msg*",), None),
        (
            "kernel.msgmax", {"hostIPC": True}, ("kernel.msg*",),
            'forbidden sysctl: "kernel.msgmax" not allowed with host ipc enabled',
        ),
        (
            "net.ipv4.tcp_syncookies", {"hostNetwork": True}, (),
            'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled',
        ),
    ],
)  # fmt: skip
def test_sysctls(name: str, spec: dict[str, Any], allowed: tuple[str, ...], message: str | None) -> None:
    found = judge(sysctl(name, **spec), unsafe_sysctls=allowed)
    assert found == (message and ("SysctlForbidden", message))


def test_only_sysctls_of_a_namespace_can_be_allowed() -> None:
    assert unsafe_sysctls_problem(["kernel.shm*", "net.core.somaxconn", "fs.mqueue.msg_max"]) == ""
    assert (
        unsafe_sysctls_problem(["vm.swappiness"])
        == 'the sysctls "vm.swappiness" are not known to be namespaced'
    )


def test_strict_groups_need_a_runtime_that_can() -> None:
    strict = pod(securityContext={"supplementalGroupsPolicy": "Strict"})
    assert judge(strict) == (
        "SupplementalGroupsPolicyNotSupported",
        "SupplementalGroupsPolicy=Strict is not supported in this node",
    )
    assert judge(strict, supplemental_groups_policy=True) is None
    assert judge(pod(securityContext={"supplementalGroupsPolicy": "Merge"})) is None


@pytest.mark.parametrize("kind", ["RuntimeDefault", "Localhost"])
def test_an_app_armor_profile_needs_a_kernel_that_has_it(kind: str) -> None:
    confined = pod(containers=[{"name": "c", "securityContext": {"appArmorProfile": {"type": kind}}}])
    assert judge(confined) == (
        "AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host",
    )  # fmt: skip
    assert judge(confined, app_armor=True) is None
    assert judge(pod(securityContext={"appArmorProfile": {"type": "Unconfined"}})) is None
