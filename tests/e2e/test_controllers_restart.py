"""A server that is killed while its controllers are at work, and a later one that ends the work: nothing twice, nothing forgotten."""

import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import load_demo_image
from e2e.test_controllers import stateful_set
from e2e.test_jobs import job
from e2e_support import TestCluster, service, until


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[TestCluster]:
    flags = ("--port=0", "--kubelet-port=0", "--disable-ingress")
    made = TestCluster(f"r{secrets.token_hex(2)}", tmp_path, flags)
    yield made
    made.down("--purge")


def test_a_job_goes_on_after_kill_9_of_the_server(whole: TestCluster) -> None:
    whole.up()
    load_demo_image(whole)
    whole.apply(service("db", clusterIP="None"), stateful_set("db", 1, "true"))
    whole.kubectl("rollout", "status", "sts/db", "--timeout=60s")
    before = containers(whole, "app=db")
    whole.apply(job("work", "sleep 1", completions=6, parallelism=3))
    until(lambda: whole.json("get", "job", "work")["status"].get("succeeded", 0) >= 2)
    os.kill(whole.pid(), signal.SIGKILL)
    whole.up()
    whole.kubectl("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    status = whole.json("get", "job", "work")["status"]
    pods = whole.json("get", "pods", "-l", "job-name=work")["items"]
    cut_off = [one for one in pods if was_cut_off(one)]
    counted = (status["succeeded"], status.get("failed", 0), status["uncountedTerminatedPods"])
    assert counted == (6, len(cut_off), {})
    assert [one["status"]["phase"] for one in pods if one not in cut_off] == ["Succeeded"] * 6
    assert all("finalizers" not in one["metadata"] for one in pods)
    assert containers(whole, "app=db") == before
    (node,) = whole.json("get", "nodes")["items"]
    assert node["spec"]["podCIDRs"] == [node["spec"]["podCIDR"]]


def was_cut_off(pod: dict[str, Any]) -> bool:
    """containerd gives up a start whose caller is killed; with restartPolicy Never the pod has failed then, as on upstream."""
    (container,) = pod["status"]["containerStatuses"]
    ended = container["state"].get("terminated") or {}
    return ended.get("reason") == "StartError" and "context canceled" in ended.get("message", "")


def containers(cluster: TestCluster, selector: str) -> list[tuple[str, int]]:
    pods = cluster.json("get", "pods", "-l", selector)["items"]
    return [
        (one["containerID"], one["restartCount"]) for p in pods for one in p["status"]["containerStatuses"]
    ]
