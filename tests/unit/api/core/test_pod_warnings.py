"""Sentences about what is probably a mistake."""

import pytest

from pinnace.api import resources as r
from pinnace.api.core.pod_warnings import pod_warnings
from pinnace.api.strategies import strategy_for


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"nodeSelector": {"kubernetes.io/os": "linux"}}, []),
        ({"nodeSelector": {"beta.kubernetes.io/os": "linux"}}, ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']),
        ({"volumes": [{"name": "v", "rbd": {}}]}, ["spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+"]),
        ({"terminationGracePeriodSeconds": -1}, ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"]),
        ({"containers": [{"resources": {"limits": {"memory": "100m"}}}]}, ['spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer']),
        ({"containers": [{"env": [{"name": "A"}, {"name": "A"}]}]}, ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply']),
        ({"containers": [{"ports": [{"containerPort": 1}, {"containerPort": 1}]}]}, ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"]),
        ({"schedulingGroup": {"podGroupName": "g"}}, ["spec.schedulingGroup: has no effect: pods are scheduled one by one in this cluster"]),
        ({"topologySpreadConstraints": [{}]}, ["spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"]),
    ],
)  # fmt: skip
def test_warnings(spec, expected):
    assert list(pod_warnings(spec, "spec")) == expected


@pytest.mark.parametrize(
    ("gvr", "used_in"),
    [
        (r.PODS, "the Pod's hostname"),
        (r.JOBS, "Pod names and hostnames"),
        (r.DEPLOYMENTS, "Pod names and hostnames"),
        (r.REPLICATION_CONTROLLERS, "Pod names and hostnames"),
        (r.CRON_JOBS, "Pod names and hostnames"),
        (r.DAEMON_SETS, ""),
    ],
)
def test_names_that_make_odd_hostnames(gvr, used_in):
    warnings = strategy_for(gvr).create_warnings({"metadata": {"name": "a.b"}})
    assert len(warnings) == bool(used_in)
    for text in warnings:
        assert text.startswith(
            f"metadata.name: this is used in {used_in}, which can result in surprising behavior; a DNS label is recommended: [a lowercase RFC 1123 label"
        )
    assert strategy_for(gvr).create_warnings({"metadata": {"name": "a-b"}}) == []
