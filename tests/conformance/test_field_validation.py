"""test/e2e/apimachinery/field_validation.go, for built-in kinds: unknown and duplicate fields are found where they stand."""

import aiohttp
import pytest

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
BODY = """
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": {"app": "nginx"} %(metadata)s},
 "spec": {%(spec)s "selector": {"matchLabels": {"app": "nginx"}}, "template": {"metadata": {"labels": {"app": "nginx"}},
 "spec": {"containers": [{"name": "nginx", "image": "nginx" %(container)s}]}}}}
"""


def body(metadata: str = "", spec: str = "", container: str = "") -> str:
    return BODY % {"metadata": metadata, "spec": spec, "container": container}


async def post(http: aiohttp.ClientSession, text: str, mode: str) -> tuple[int, dict, list[str]]:
    headers = {"Content-Type": "application/json"}
    async with http.post(
        DEPLOYMENTS, data=text, params={"fieldValidation": mode, "dryRun": "All"}, headers=headers
    ) as answer:
        warnings = ", ".join(answer.headers.getall("Warning", []))  # as one line or several
        return answer.status, await answer.json(), warnings.split(", ") if warnings else []


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed object [Conformance]"
)
async def test_unknown_and_duplicate_fields_are_refused_when_strict(http: aiohttp.ClientSession) -> None:
    text = body(
        spec='"foo": "bar", "replicas": 1, "replicas": 2,', container=', "nested": 1, "image": "again"'
    )
    findings = (
        'unknown field "spec.foo"',
        'duplicate field "spec.replicas"',
        'unknown field "spec.template.spec.containers[0].nested"',
        'duplicate field "spec.template.spec.containers[0].image"',
    )
    code, refused, _ = await post(http, text, "Strict")
    assert (code, refused["reason"]) == (400, "BadRequest")
    assert "strict decoding error: " in refused["message"]
    for finding in findings:
        assert finding in refused["message"]
    code, made, warnings = await post(http, text, "Warn")
    assert code == 201
    assert sorted(warnings) == sorted('299 - "' + f.replace('"', '\\"') + '"' for f in findings)
    assert (made["spec"]["replicas"], "foo" in made["spec"]) == (2, False)  # the last of two wins
    code, _, warnings = await post(http, text, "Ignore")
    assert (code, warnings) == (201, [])


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object [Conformance]"
)
async def test_unknown_metadata_fields_are_refused_when_strict(http: aiohttp.ClientSession) -> None:
    text = body(metadata=', "unknownMeta": "foo"')
    code, refused, _ = await post(http, text, "Strict")
    assert code == 400
    assert 'strict decoding error: unknown field "metadata.unknownMeta"' in refused["message"]
    code, made, warnings = await post(http, text, "Warn")
    assert (code, warnings) == (201, ['299 - "unknown field \\"metadata.unknownMeta\\""'])
    assert "unknownMeta" not in made["metadata"]
