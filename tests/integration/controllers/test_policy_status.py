"""The type check of policies through the real API server."""

from integration.controllers.conftest import Start
from pinnace.api.resources import VALIDATING_ADMISSION_POLICIES
from pinnace.testing.wait import eventually


async def test_warnings_follow_the_policy(start: Start) -> None:
    client = await start("validatingadmissionpolicy-status", nodes=0)
    rule = {
        "operations": ["CREATE"],
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "resources": ["deployments"],
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "object.spec.replica > 1"}],
        },
    }
    made = await client.create(VALIDATING_ADMISSION_POLICIES, body)
    assert made["metadata"]["generation"] == 1

    async def warned(generation: int, count: int) -> bool:
        status = (await client.get(VALIDATING_ADMISSION_POLICIES, "p")).get("status") or {}
        found = (status.get("typeChecking") or {}).get("expressionWarnings") or []
        return status.get("observedGeneration") == generation and len(found) == count

    await eventually(lambda: warned(1, 1))
    mended = {"spec": {"validations": [{"expression": "object.spec.replicas > 1"}]}}
    await client.patch(VALIDATING_ADMISSION_POLICIES, "p", mended)
    await eventually(lambda: warned(2, 0))
