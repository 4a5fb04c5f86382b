"""The real kubectl asks who it is and what it may do."""

import pytest

from integration.conftest import Kubectl
from pinnace.api import resources as r
from pinnace.testing.api_server import ApiServerInProcess


async def test_can_i(kubectl: Kubectl) -> None:
    assert (await kubectl("auth", "can-i", "create", "pods")).out == "yes\n"
    await kubectl("create", "rolebinding", "jane", "--clusterrole=view", "--user=jane")
    jane = ("--as=jane",)
    assert (await kubectl("auth", "can-i", "list", "pods", *jane)).out == "yes\n"
    refused = await kubectl("auth", "can-i", "delete", "pods", *jane, code=1)
    assert refused.out == "no\n"
    assert (await kubectl("auth", "can-i", "get", "secrets", *jane, code=1)).out == "no\n"
    named = await kubectl("auth", "can-i", "get", "pods", "--subresource=log", *jane)
    assert named.out == "yes\n"
    assert (await kubectl("auth", "can-i", "get", "/version", *jane)).out == "yes\n"
    listed = (await kubectl("auth", "can-i", "--list", *jane)).out
    rows = {line.split()[0]: line for line in listed.splitlines()[1:] if line.strip()}
    assert rows["pods"].endswith("[get list watch]")
    assert rows["selfsubjectreviews.authentication.k8s.io"].endswith("[create]")
    assert "deployments.apps" in rows


async def test_whoami(kubectl: Kubectl) -> None:
    plain = (await kubectl("auth", "whoami")).out
    assert "kubernetes-admin" in plain
    assert "[system:masters system:authenticated]" in plain
    other = (await kubectl("auth", "whoami", "--as=jane", "--as-uid=u-7", "--as-group=dev")).out
    assert [line.split(maxsplit=1)[1] for line in other.splitlines()[1:]] == [
        "jane", "u-7", "[dev system:authenticated]",
    ]  # fmt: skip


async def test_a_token_that_kubectl_made_is_a_login(kubectl: Kubectl, api_server: ApiServerInProcess) -> None:
    await kubectl("create", "serviceaccount", "robot")
    token = (await kubectl("create", "token", "robot", "--duration=20m", "--audience=vault")).out.strip()
    assert token.count(".") == 2
    status = await api_server.local_client().create(
        r.TOKEN_REVIEWS,
        {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token, "audiences": ["vault"]}},
    )  # fmt: skip
    assert status["status"]["user"]["username"] == "system:serviceaccount:default:robot"
    own = (await kubectl("create", "token", "robot")).out.strip()
    review = await api_server.rest_client(token=own).create(
        r.SELF_SUBJECT_REVIEWS, {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    )
    assert review["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
    missing = await kubectl("create", "token", "nobody", code=1)
    assert 'serviceaccounts "nobody" not found' in missing.err


@pytest.mark.parametrize("verb", ["get", "list"])
async def test_refusals_name_the_user_and_the_resource(kubectl: Kubectl, verb: str) -> None:
    arguments = ("pods", "p") if verb == "get" else ("pods",)
    refused = await kubectl("get", *arguments, "--as=jane", code=1)
    name = ' "p"' if verb == "get" else ""
    assert refused.err.strip() == (
        f'Error from server (Forbidden): pods{name} is forbidden: User "jane" cannot {verb} resource "pods" '
        'in API group "" in the namespace "default"'
    )
