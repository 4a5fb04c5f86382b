"""Priority: what a pod may say of its own priority."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.priority import Priority
from pinnace.apiserver.authn.user import User


async def admitted(**spec: Any) -> dict[str, Any]:
    pod = {"metadata": {"name": "p"}, "spec": spec}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    await Priority(cast("Any", None)).admit(
        Admission("CREATE", r.BY_GVR[r.PODS], User("u"), now, "default", "p", object=pod)
    )
    return spec


async def test_the_class_decides() -> None:
    assert await admitted() == {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}
    assert (await admitted(priorityClassName="system-node-critical"))["priority"] == 2_000_001_000


@pytest.mark.parametrize(
    "spec", [{"priorityClassName": "gold"}, {"priority": 7}, {"preemptionPolicy": "Never"}]
)
async def test_a_pod_cannot_promote_itself(spec: dict[str, Any]) -> None:
    with pytest.raises(errors.Forbidden):
        await admitted(**spec)
