"""What webhooks answer, what their refusals become, and how the chain runs again after a change."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from pinnace.api import resources as r
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import EVERY_OPERATION, BasePlugin, Chain
from pinnace.apiserver.admission.webhooks import reviews
from pinnace.apiserver.admission.webhooks.configurations import Hook, hooks_of
from pinnace.apiserver.authn.user import User

Object = dict[str, Any]
ASKED = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {"uid": "u"}}
HOOK = Hook("c/x/0", "c", {"name": "x.y.z"})
PATCH = base64.b64encode(b'[{"op":"add","path":"/a","value":1}]').decode()


def answer(**response: Any) -> Object:
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "response": {"uid": "u", **response},
    }


@pytest.mark.parametrize(
    ("got", "mutating", "words"),
    [
        ({}, True, "webhook response was absent"),
        (answer(uid="v"), True, 'expected response.uid="u", got "v"'),
        ({**answer(), "kind": "Other"}, True, "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1, Kind=Other"),
        (answer(patch=PATCH), True, "webhook returned response.patch but not response.patchType"),
        (answer(patchType="JSONPatch"), True, "webhook returned response.patchType but not response.patch"),
        (answer(patch=PATCH, patchType="Merge"), True, 'webhook returned invalid response.patchType of "Merge"'),
        (answer(patch="!", patchType="JSONPatch"), True, "received undecodable patch in webhook response"),
        (answer(patch=PATCH), False, "validating webhook may not return response.patch"),
        (answer(patchType="JSONPatch"), False, "validating webhook may not return response.patchType"),
    ],
)  # fmt: skip
def test_answers_that_are_none(got: Object, mutating: bool, words: str) -> None:
    with pytest.raises(reviews.InvalidReview) as invalid:
        reviews.verdict(ASKED, got, mutating=mutating)
    assert words in str(invalid.value)


def test_a_whole_answer() -> None:
    got = answer(
        allowed=True, patch=PATCH, patchType="JSONPatch", warnings=["w"], auditAnnotations={"k": "v"}
    )
    found = reviews.verdict(ASKED, got, mutating=True)
    assert found.patch == [{"op": "add", "path": "/a", "value": 1}]
    assert (found.allowed, found.warnings, found.annotations) == (True, ("w",), (("k", "v"),))


def test_the_older_review_needs_neither_uid_nor_type() -> None:
    asked = {**ASKED, "apiVersion": "admission.k8s.io/v1beta1"}
    found = reviews.verdict(asked, {"response": {"allowed": True, "patch": PATCH}}, mutating=True)
    assert found.patch is not None


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (None, 400, 'admission webhook "x.y.z" denied the request without explanation'),
        ({"message": "no", "code": 200}, 400, 'admission webhook "x.y.z" denied the request: no'),
        (
            {"reason": "Forbidden", "code": 403},
            403,
            'admission webhook "x.y.z" denied the request: Forbidden',
        ),
        (
            {"message": "no", "reason": "Odd", "code": 599},
            599,
            'admission webhook "x.y.z" denied the request: no',
        ),
    ],
)
def test_refusals(status: Object | None, code: int, message: str) -> None:
    error = reviews.denial(HOOK, status)
    assert (error.code, error.message, error.reason) == (code, message, (status or {}).get("reason", ""))


def test_webhooks_of_one_name_are_told_apart() -> None:
    spec = {"name": "a.b.c"}
    found = hooks_of({"metadata": {"name": "m"}, "webhooks": [spec, spec, {"name": "d.e.f"}]})
    assert [hook.uid for hook in found] == ["m/a.b.c/0", "m/a.b.c/1", "m/d.e.f/0"]


class Noting(BasePlugin):
    admits = EVERY_OPERATION

    def __init__(self, name: str, log: list[str], *, asks: bool = False) -> None:
        self.name, self._log, self._asks = name, log, asks

    async def admit(self, admission: Admission) -> None:
        again = admission.again()
        self._log.append(f"{self.name}{2 if again.running else 1}")
        if self._asks:
            again.requested = True


class Default(BasePlugin):
    def __init__(self, log: list[str]) -> None:
        self._log = log

    async def admit(self, admission: Admission) -> None:
        self._log.append("admit")

    async def validate(self, admission: Admission) -> None:
        self._log.append("validate")


def admission(operation: Any = "CREATE", **more: Any) -> Admission:
    return Admission(
        operation, r.BY_GVR[r.PODS], User("u"), datetime(2026, 1, 1, tzinfo=UTC), "ns", "p", **more
    )


@pytest.mark.parametrize(("asks", "calls"), [(False, ["a1", "b1"]), (True, ["a1", "b1", "a2", "b2"])])
async def test_the_mutating_phase_runs_once_more_when_asked(asks: bool, calls: list[str]) -> None:
    log: list[str] = []
    await Chain([Noting("a", log), Noting("b", log, asks=asks)]).admit(admission())
    assert log == calls


@pytest.mark.parametrize(
    ("operation", "calls"), [("CREATE", ["admit", "validate"]), ("DELETE", ["validate"]), ("CONNECT", [])]
)
async def test_a_plugin_is_called_for_the_operations_it_names(operation: str, calls: list[str]) -> None:
    log: list[str] = []
    await Chain([Default(log)]).review(admission(operation))
    assert log == calls


@pytest.mark.parametrize(
    ("subresource", "kind"),
    [("", ("", "v1", "Pod")), ("status", ("", "v1", "Pod")), ("binding", ("", "v1", "Binding")),
     ("eviction", ("policy", "v1", "Eviction")), ("exec", ("", "v1", "PodExecOptions"))],
)  # fmt: skip
def test_the_kind_of_a_body(subresource: str, kind: tuple[str, str, str]) -> None:
    assert admission(subresource=subresource).kind == kind
