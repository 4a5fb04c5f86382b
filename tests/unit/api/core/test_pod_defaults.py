"""Defaults of pods and templates: what upstream fills in."""

import pytest

from pinnace.api.core import container_defaults, pod_defaults
from pinnace.api.resources import PODS
from pinnace.api.strategies import strategy_for


def pod(container=None, **spec):
    containers = [{"name": "c", "image": "i", **(container or {})}]
    obj = {"metadata": {"name": "p", "namespace": "d"}, "spec": {"containers": containers, **spec}}
    strategy_for(PODS).default(obj)
    return obj["spec"]


def test_a_bare_pod():
    assert pod() == {
        "containers": [
            {
                "name": "c",
                "image": "i",
                "imagePullPolicy": "Always",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "resources": {},
            }
        ],
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        "enableServiceLinks": True,
    }


def test_a_template_gets_neither_service_links_nor_requests():
    template = {"metadata": {"creationTimestamp": None}, "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]}}  # fmt: skip
    pod_defaults.set_template_defaults(template)
    assert template["metadata"] == {}
    assert "enableServiceLinks" not in template["spec"]
    assert template["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/a/nginx:2", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
        ("", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image, policy):
    assert container_defaults.pull_policy(image) == policy


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"limits": {"cpu": "0.5"}}, {"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}}),
        (
            {"limits": {"memory": "1024Mi"}, "requests": {"memory": "512Mi"}},
            {"limits": {"memory": "1Gi"}, "requests": {"memory": "512Mi"}},
        ),
        ({"requests": {"cpu": "0.0001"}}, {"requests": {"cpu": "1m"}}),  # rounded up to a thousandth
        ({"requests": {"cpu": 2}}, {"requests": {"cpu": "2"}}),
    ],
)
def test_amounts_are_canonical_and_limits_imply_requests(resources, expected):
    assert pod({"resources": resources})["containers"][0]["resources"] == expected


def test_probes_and_hooks():
    container = {
        "livenessProbe": {"httpGet": {"port": 80}},
        "readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 3},
        "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
    }
    found = pod(container)["containers"][0]
    common = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    assert found["livenessProbe"] == {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, **common}
    assert found["readinessProbe"] == {"tcpSocket": {"port": 1}, **common, "periodSeconds": 3}
    assert found["lifecycle"]["preStop"]["httpGet"]["scheme"] == "HTTP"


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({}, {"emptyDir": {}}),
        ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 420}}),
        ({"configMap": {"name": "s"}}, {"configMap": {"name": "s", "defaultMode": 420}}),
        ({"hostPath": {"path": "/x"}}, {"hostPath": {"path": "/x", "type": ""}}),
        ({"emptyDir": {"sizeLimit": "2048Mi"}}, {"emptyDir": {"sizeLimit": "2Gi"}}),
        (
            {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {
                "downwardAPI": {
                    "items": [{"path": "a", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}],
                    "defaultMode": 420,
                }
            },
        ),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "projected": {
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                    "defaultMode": 420,
                }
            },
        ),
    ],
)
def test_volumes(volume, expected):
    assert pod(volumes=[{"name": "v", **volume}])["volumes"] == [{"name": "v", **expected}]


def test_host_network_copies_ports_to_the_host():
    ports = pod({"ports": [{"containerPort": 80}]}, hostNetwork=True)["containers"][0]["ports"]
    assert ports == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_both_names_of_the_service_account_agree():
    spec = pod(serviceAccountName="a")
    assert spec["serviceAccount"] == spec["serviceAccountName"] == "a"
    assert pod(serviceAccount="b")["serviceAccountName"] == "b"


def test_null_is_absent():
    spec = pod({"env": None}, affinity=None)
    assert "affinity" not in spec
    assert "env" not in spec["containers"][0]


def test_a_new_pod_is_pending_and_says_why_it_is_gated():
    strategy = strategy_for(PODS)
    obj = {"metadata": {"name": "p"}, "spec": {"containers": [], "schedulingGates": [{"name": "g"}]}, "status": {"phase": "Running"}}  # fmt: skip
    strategy.default(obj)
    strategy.prepare_create(obj)
    assert obj["status"]["phase"] == "Pending"
    assert obj["status"]["qosClass"] == "BestEffort"
    assert obj["status"]["conditions"][0]["reason"] == "SchedulingGated"
    assert obj["metadata"]["generation"] == 1
