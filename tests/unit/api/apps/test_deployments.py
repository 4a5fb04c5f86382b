"""Arithmetic and identity of deployments."""

import pytest

from pinnace.api.apps import deployments, templates


def _deployment(replicas, surge, unavailable, kind="RollingUpdate"):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": kind, **({"rollingUpdate": rolling} if kind == "RollingUpdate" else {})}
    return {"metadata": {"name": "d"}, "spec": {"replicas": replicas, "strategy": strategy}}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (3, 0, "10%", (0, 1)),  # both zero would never progress
        (4, 1, 0, (1, 0)),
        (2, 0, 5, (0, 2)),  # no more than there are
        (0, "25%", "25%", (0, 0)),
    ],
)
def test_surge_rounds_up_and_unavailable_down(replicas, surge, unavailable, expected):
    deployment = _deployment(replicas, surge, unavailable)
    assert (deployments.max_surge(deployment), deployments.max_unavailable(deployment)) == expected


def test_recreate_has_no_limits():
    deployment = _deployment(3, None, None, "Recreate")
    assert deployments.max_surge(deployment) == deployments.max_unavailable(deployment) == 0


def test_hash_ignores_the_order_of_keys_and_heeds_collisions():
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert templates.template_hash(one) == templates.template_hash(other)
    assert templates.template_hash(one, 1) != templates.template_hash(one)
    assert set(templates.template_hash(one)) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_fnv_reference_values():
    assert templates.fnv1a_32(b"") == 0x811C9DC5
    assert templates.fnv1a_32(b"a") == 0xE40C292C


def test_the_new_replica_set_is_the_oldest_with_the_same_template():
    def replica_set(name, created, image):
        template = {"metadata": {"labels": {"app": "a", "pod-template-hash": name}}, "spec": {"image": image}}
        return {"metadata": {"name": name, "creationTimestamp": created}, "spec": {"template": template}}

    deployment = {"spec": {"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"image": "2"}}}}
    sets = [replica_set("x", "3", "2"), replica_set("y", "2", "2"), replica_set("z", "1", "1")]
    found = deployments.new_replica_set(deployment, sets)
    assert found is sets[1]


@pytest.mark.parametrize(("annotations", "expected"), [(None, 0), ({deployments.REVISION: "4"}, 4), ({deployments.REVISION: "x"}, 0)])  # fmt: skip
def test_revision(annotations, expected):
    assert deployments.revision({"metadata": {"annotations": annotations}}) == expected
