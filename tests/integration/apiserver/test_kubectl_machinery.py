"""A real kubectl judges what the machinery serves: OpenAPI, validation, patches and server-side apply."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from pinnace.api.resources import CONFIG_MAPS, DEPLOYMENTS
from pinnace.client.rest import RestClient
from pinnace.testing.api_server import ApiServerInProcess

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
    },
}


class Kubectl:
    def __init__(self, api: ApiServerInProcess, home: Path) -> None:
        self._common = ("--kubeconfig", str(api.kubeconfig()), "--cache-dir", str(home / "cache"))

    async def __call__(self, *arguments: str, stdin: Any = None) -> tuple[int, str, str]:
        assert KUBECTL is not None
        process = await asyncio.create_subprocess_exec(
            KUBECTL, *self._common, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        text = b"" if stdin is None else orjson.dumps(stdin)
        out, err = await asyncio.wait_for(process.communicate(text), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
def kubectl(api_server: ApiServerInProcess, tmp_path: Path) -> Kubectl:
    return Kubectl(api_server, tmp_path)


def deployment(**spec: Any) -> dict[str, Any]:
    return {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], **spec}}


@pytest.mark.parametrize("output", ["plaintext", "plaintext-openapiv2"])
async def test_explains_by_both_versions_of_openapi(kubectl: Kubectl, output: str) -> None:
    code, text, err = await kubectl("explain", "pods.spec.containers", f"--output={output}")
    assert (code, err) == (0, "")
    assert "containers <[]" in text.replace("FIELD:    ", "FIELD: ") or "RESOURCE: containers <[]" in text
    assert "terminationMessagePath" in text
    code, text, _ = await kubectl("explain", "deploy", "--recursive", f"--output={output}")
    assert code == 0
    assert "maxUnavailable" in text


async def test_apply_refuses_unknown_fields_and_wrong_types(kubectl: Kubectl) -> None:
    code, _, err = await kubectl("apply", "-f", "-", stdin=deployment(replicsa=1))
    assert code == 1
    assert 'strict decoding error: unknown field "spec.replicsa"' in err
    code, _, err = await kubectl("apply", "-f", "-", stdin=deployment(replicas="two"))
    assert code == 1
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32" in err


async def test_apply_merges_lists_by_key(kubectl: Kubectl, rest_client: RestClient) -> None:
    assert (await kubectl("apply", "-f", "-", stdin=DEPLOYMENT))[0] == 0
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s"}]}}}}
    code, _, err = await kubectl("patch", "deploy", "web", "-p", orjson.dumps(side).decode())
    assert (code, err) == (0, "")
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "j"}]}}
    assert (await kubectl("apply", "-f", "-", stdin=deployment(template=template)))[0] == 0
    found = await rest_client.get(DEPLOYMENTS, "web", "default")
    containers = found["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["image"] for one in containers} == {"c": "j", "side": "s"}


async def test_server_side_apply_conflict_and_force(kubectl: Kubectl, rest_client: RestClient) -> None:
    await rest_client.create(DEPLOYMENTS, DEPLOYMENT, "default", field_manager="creator")
    wanted = {**DEPLOYMENT, "spec": {"replicas": 5}}
    apply = ("apply", "--server-side", "--field-manager=me", "-f", "-")
    code, _, err = await kubectl(*apply, stdin=wanted)
    assert code == 1
    assert 'Apply failed with 1 conflict: conflict with "creator" using apps/v1: .spec.replicas' in err
    code, out, _ = await kubectl(*apply, "--force-conflicts", stdin=wanted)
    assert (code, out) == (0, "deployment.apps/web serverside-applied\n")
    forced = await rest_client.get(DEPLOYMENTS, "web", "default")
    assert forced["spec"]["replicas"] == 5
    assert (await kubectl(*apply, stdin=wanted))[0] == 0
    again = await rest_client.get(DEPLOYMENTS, "web", "default")
    assert again["metadata"]["resourceVersion"] == forced["metadata"]["resourceVersion"]
    code, _, err = await kubectl(*apply, stdin={**DEPLOYMENT, "spec": {"replicsa": 5}})
    assert code == 1
    assert ".spec.replicsa: field not declared in schema" in err


async def test_moving_from_client_side_to_server_side_apply(
    kubectl: Kubectl, rest_client: RestClient
) -> None:
    """kubectl hands its own fields over; what the configuration then leaves out goes."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c"},
        "data": {"a": "1", "b": "1"},
    }
    assert (await kubectl("apply", "-f", "-", stdin=config))[0] == 0
    config["data"] = {"a": "2"}
    code, out, err = await kubectl("apply", "--server-side", "-f", "-", stdin=config)
    assert (code, out, err) == (0, "configmap/c serverside-applied\n", "")
    found = await rest_client.get(CONFIG_MAPS, "c", "default")
    assert found["data"] == {"a": "2"}
    assert {entry["operation"] for entry in found["metadata"]["managedFields"]} == {"Apply"}


async def test_json_patches(kubectl: Kubectl) -> None:
    assert (await kubectl("create", "-f", "-", stdin=DEPLOYMENT))[0] == 0
    patch = '[{"op": "test", "path": "/spec/replicas", "value": 9}]'
    code, _, err = await kubectl("patch", "deploy", "web", "--type=json", "-p", patch)
    assert code == 1
    assert "The request is invalid: the server rejected our request due to an error in our request" in err
    assert (await kubectl("patch", "deploy", "web", "--type=json", "-p", patch.replace("9", "2")))[0] == 0
