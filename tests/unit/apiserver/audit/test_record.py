"""What an event tells at its level."""

from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from pinnace.apiserver.audit.policy import Verdict
from pinnace.apiserver.audit.record import Record
from pinnace.apiserver.request import Request
from pinnace.testing.fake_clock import FakeClock


async def _body() -> bytes:
    return b""


def events(level: str, annotations: dict[str, str]) -> list[dict[str, Any]]:
    services: Any = SimpleNamespace(clock=FakeClock())
    request = Request("POST", "/", {}, CIMultiDict(), services, _body, audit_annotations=annotations)
    told: list[dict[str, Any]] = []
    Record(request, Verdict(level), told.append).stage("ResponseComplete")
    return told


@pytest.mark.parametrize(
    ("level", "shown"), [("Metadata", False), ("Request", True), ("RequestResponse", True)]
)
def test_the_patch_of_a_webhook_is_told_where_the_object_is_told_too(level: str, shown: bool) -> None:
    patch, other = "patch.webhook.admission.k8s.io/round_0_index_0", "authorization.k8s.io/decision"
    (event,) = events(level, {patch: "secret", other: "allow"})
    assert event["annotations"].get(other) == "allow"
    assert (patch in event["annotations"]) is shown
