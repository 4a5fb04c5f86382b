"""Which requests of a joined node are approved: its own names, its own parts, and nobody else's."""

from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509

import kind_examples
from pinnace.api.certificates import requests
from pinnace.controllers.certificates.node_certificates import PARTS_GROUP, is_approvable, parts_user

NODE = "system:node:n"


def node(name: str, *addresses: str) -> dict[str, Any]:
    listed = [{"type": "InternalIP", "address": one} for one in addresses]
    return {"metadata": {"name": name}, "status": {"addresses": listed}}


NODES = [node("n", "10.0.0.1"), node("other", "10.0.0.2")]


def names(*given: str) -> tuple[x509.GeneralName, ...]:
    return tuple(
        x509.IPAddress(ip_address(one)) if one[0].isdigit() or ":" in one else x509.DNSName(one)
        for one in given
    )


def csr(signer: str, common_name: str, organization: str, *given: str, user: str = NODE, groups: tuple[str, ...] = ("system:nodes",),
        usage: str = "server auth") -> dict[str, Any]:  # fmt: skip
    request = kind_examples.certificate_request(common_name, (organization,), names(*given))
    spec = {
        "request": request,
        "signerName": signer,
        "usages": ["digital signature", usage],
        "username": user,
        "groups": list(groups),
    }
    return {"metadata": {"name": "x"}, "spec": spec}


def serving(*given: str, **more: Any) -> dict[str, Any]:
    return csr(requests.KUBELET_SERVING, NODE, "system:nodes", *given, **more)


def test_a_serving_certificate_for_its_own_names() -> None:
    assert is_approvable(serving("n", "10.0.0.1"), NODES)


@pytest.mark.parametrize("wrong", [
    serving("n", "10.0.0.2"), serving("n", "10.0.0.9"), serving("kubernetes"), serving("other"), serving(),
    serving("n", "10.0.0.1", user="system:node:other"), serving("n", "10.0.0.1", groups=()), serving("n", "10.0.0.1", user="me"),
    serving("n", "10.0.0.1", usage="client auth"),
])  # fmt: skip
def test_no_other_serving_certificate(wrong: dict[str, Any]) -> None:
    assert not is_approvable(wrong, NODES)


def test_an_address_that_two_nodes_claim_is_nobodys() -> None:
    assert not is_approvable(serving("n", "10.0.0.1"), [*NODES, node("thief", "10.0.0.1")])


@pytest.mark.parametrize("name", [
    "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "kubernetes.default", "kubernetes", "localhost", "*.example.com",
    "api.example.com", "10.43.0.1", "127.0.0.1", "::1", "KUBERNETES", "web.shop.svc",
])  # fmt: skip
def test_a_node_that_says_it_is_the_api_server_gets_no_certificate_for_that(name: str) -> None:
    """Nodes write their addresses themselves: who stole a node's certificate would be the API server for all others."""
    thief = [node("n", "10.0.0.1", name)]
    assert not is_approvable(serving("n", name), thief, ("10.43.0.1", "api.example.com"))
    assert is_approvable(serving("n", "10.0.0.1"), thief, ("10.43.0.1", "api.example.com"))


def test_an_address_without_text_is_none() -> None:
    strange = {"metadata": {"name": "strange"}, "status": {"addresses": [{"type": "InternalIP"}]}}
    assert is_approvable(serving("n", "10.0.0.1"), [*NODES, strange])


def test_a_client_certificate_for_the_parts_of_that_node_only() -> None:
    def client(wanted: str, group: str, *given: str, **more: Any) -> dict[str, Any]:
        return csr(requests.CLIENT, wanted, group, *given, usage=more.pop("usage", "client auth"), **more)

    assert is_approvable(client(parts_user("n"), PARTS_GROUP), NODES)
    assert not is_approvable(client(parts_user("other"), PARTS_GROUP), NODES)
    assert not is_approvable(client("kubernetes-admin", "system:masters"), NODES)
    assert not is_approvable(client(parts_user("n"), "system:masters"), NODES)
    assert not is_approvable(client(parts_user("n"), PARTS_GROUP, "n"), NODES)
    assert not is_approvable(client(parts_user("n"), PARTS_GROUP, usage="server auth"), NODES)
    assert not is_approvable(client(parts_user("n"), PARTS_GROUP, user="somebody", groups=()), NODES)
