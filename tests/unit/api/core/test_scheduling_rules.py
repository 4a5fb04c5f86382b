"""Tolerations and node affinity."""

import pytest

from pinnace.api.core import node_affinity, nodes, tolerations

TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "v", "effect": "NoExecute"}, True),
        ({"key": "k", "value": "other"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"operator": "Exists", "effect": "NoSchedule"}, False),
    ],
)
def test_toleration(toleration, expected):
    assert tolerations.tolerates(toleration, TAINT) is expected


def test_first_untolerated_looks_only_at_the_effects_asked_for():
    taints = [{"key": "a", "effect": "PreferNoSchedule"}, TAINT]
    assert tolerations.first_untolerated(taints, []) == TAINT
    assert tolerations.first_untolerated(taints, [], ("NoSchedule",)) is None
    assert tolerations.first_untolerated(taints, [{"operator": "Exists"}]) is None


def _pod(terms=None, selector=None):
    spec = {"nodeSelector": selector} if selector else {}
    if terms is not None:
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        spec["affinity"] = {"nodeAffinity": required}
    return {"metadata": {"name": "p"}, "spec": spec}


NODE = {"metadata": {"name": "n1", "labels": {"zone": "a", "cores": "8"}}}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (_pod(), True),
        (_pod(selector={"zone": "a"}), True),
        (_pod(selector={"zone": "b"}), False),
        (_pod([]), False),
        (_pod([{}]), False),
        (_pod([{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]), True),
        (_pod([{"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]}]), False),
        (_pod([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]), True),
        (_pod([{"matchExpressions": [{"key": "x", "operator": "Exists"}]}, {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]), True),
    ],
)  # fmt: skip
def test_required_node_affinity(pod, expected):
    assert node_affinity.matches(pod, NODE) is expected


def test_roles_come_from_labels():
    labels = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge", "other": "x"}
    assert nodes.roles({"metadata": {"name": "n", "labels": labels}}) == ["edge", "worker"]
