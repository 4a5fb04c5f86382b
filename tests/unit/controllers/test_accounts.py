from pinnace.api import meta
from pinnace.controllers import root_ca, serviceaccount, serviceaccount_token
from pinnace.controllers.runtime import Create, Delete, Update, World
from unit.controllers.builders import NOW, config_map, namespace


def account(name: str) -> dict:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def test_every_active_namespace_gets_a_default_account() -> None:
    ns = namespace("default")
    (action,) = serviceaccount.reconcile(ns, World.of([ns], NOW))
    assert isinstance(action, Create)
    assert meta.key(action.obj) == ("default", "default")
    assert list(serviceaccount.reconcile(ns, World.of([ns, account("default")], NOW))) == []
    assert list(serviceaccount.reconcile(namespace("x", terminating=True), World.of([], NOW))) == []


def test_the_root_ca_is_published_and_kept_right() -> None:
    ns, row = namespace("default"), root_ca.controller("PEM")
    (action,) = row.reconcile(ns, World.of([ns], NOW))
    assert isinstance(action, Create)
    assert action.obj["data"] == {"ca.crt": "PEM"}
    changed = config_map("kube-root-ca.crt")
    assert [type(a) for a in row.reconcile(ns, World.of([ns, changed], NOW))] == [Update]


def test_tokens_of_vanished_accounts_are_deleted() -> None:
    secret = {
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "t", "namespace": "default", "uid": "s",
                     "annotations": {"kubernetes.io/service-account.name": "robot"}},
    }  # fmt: skip
    assert [type(a) for a in serviceaccount_token.reconcile(secret, World.of([secret], NOW))] == [Delete]
    world = World.of([secret, account("robot")], NOW)
    assert list(serviceaccount_token.reconcile(secret, world)) == []
