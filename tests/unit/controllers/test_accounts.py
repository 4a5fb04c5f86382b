import base64

from pinnace.api import meta
from pinnace.controllers import clusterrole_aggregation, root_ca, serviceaccount, serviceaccount_token
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
    row = serviceaccount_token.controller(None, "")
    assert [type(a) for a in row.reconcile(secret, World.of([secret], NOW))] == [Delete]
    world = World.of([secret, account("robot")], NOW)
    assert list(row.reconcile(secret, world)) == []


def test_token_secrets_are_filled_once() -> None:
    annotations = {"kubernetes.io/service-account.name": "robot"}
    secret = {
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "t", "namespace": "default", "uid": "s", "annotations": annotations},
    }  # fmt: skip
    row = serviceaccount_token.controller(lambda account, secret: "signed", "PEM")
    (action,) = row.reconcile(secret, World.of([secret, account("robot")], NOW))
    assert isinstance(action, Update)
    data = {key: base64.b64decode(value).decode() for key, value in action.obj["data"].items()}
    assert data == {"token": "signed", "namespace": "default", "ca.crt": "PEM"}
    assert meta.annotations(action.obj)["kubernetes.io/service-account.uid"] == "uid-robot"
    assert list(row.reconcile(action.obj, World.of([action.obj, account("robot")], NOW))) == []


def cluster_role(name: str, rules: list, labels: dict | None = None, wanted: dict | None = None) -> dict:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "labels": labels or {}}, "rules": rules}  # fmt: skip
    return (
        {**role, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": wanted}]}} if wanted else role
    )


def test_an_aggregated_role_has_the_rules_of_those_that_its_selector_matches() -> None:
    first, second = {"verbs": ["get"], "resources": ["a"]}, {"verbs": ["get"], "resources": ["b"]}
    sum_ = cluster_role("sum", [], wanted={"part": "yes"})
    parts = [cluster_role("z", [first], {"part": "yes"}), cluster_role("b", [second, first], {"part": "yes"})]
    others = [cluster_role("other", [{"verbs": ["*"]}])]
    (action,) = clusterrole_aggregation.reconcile(sum_, World.of([sum_, *parts, *others], NOW))
    assert isinstance(action, Update)
    assert action.obj["rules"] == [second, first]
    done = World.of([action.obj, *parts, *others], NOW)
    assert list(clusterrole_aggregation.reconcile(action.obj, done)) == []


def test_the_default_aggregated_roles_need_no_change() -> None:
    """What the server writes at its start is what the controller would write."""
    from pinnace.apiserver.authz.bootstrap_policy import cluster_roles

    roles = list(cluster_roles())
    for name in ("admin", "edit", "view"):
        role = next(each for each in roles if meta.name(each) == name)
        assert clusterrole_aggregation.summed_up(role, roles) == role["rules"]
