"""Clients that know nothing of Pinnace: the official Python client, kr8s, lightkube and a kopf operator, unmodified."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import kr8s
import kubernetes
import lightkube
import pytest
from kubernetes.stream import stream
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod

from e2e_support import IMAGE, Space, deployment, pod, until
from pinnace.testing.wait import eventually


def api(space: Space) -> "kubernetes.client.ApiClient":
    return kubernetes.config.new_client_from_config(str(space.cluster.kubeconfig))


def test_official_client_creates_watches_executes_and_deletes(space: Space) -> None:
    with api(space) as client:
        core = kubernetes.client.CoreV1Api(client)
        seen: list[tuple[str, str]] = []

        def follow() -> None:
            watch = kubernetes.watch.Watch()
            for event in watch.stream(core.list_namespaced_pod, space.name, timeout_seconds=40):
                seen.append((event["type"], event["object"].status.phase))
                if event["type"] == "DELETED":
                    watch.stop()

        follower = threading.Thread(target=follow)
        follower.start()
        core.create_namespaced_pod(space.name, pod("p"))
        until(lambda: core.read_namespaced_pod("p", space.name).status.phase == "Running")
        done = stream(
            core.connect_get_namespaced_pod_exec,
            "p",
            space.name,
            command=["echo", "hello"],
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
        )
        assert done == "hello\n"
        core.patch_namespaced_pod("p", space.name, {"metadata": {"labels": {"seen": "yes"}}})
        assert [
            p.metadata.name for p in core.list_namespaced_pod(space.name, label_selector="seen=yes").items
        ] == ["p"]
        core.delete_namespaced_pod("p", space.name, grace_period_seconds=1)
        follower.join(timeout=40)
        assert seen[0][0] == "ADDED"
        assert ("MODIFIED", "Running") in seen
        assert seen[-1][0] == "DELETED"


def test_official_client_reads_logs_and_errors(space: Space) -> None:
    with api(space) as client:
        core = kubernetes.client.CoreV1Api(client)
        core.create_namespaced_pod(space.name, pod("talk", "echo from the pod; sleep 60"))
        until(lambda: "from the pod" in _log(core, space.name))
        with pytest.raises(kubernetes.client.ApiException) as missing:
            core.read_namespaced_pod("nobody", space.name)
        assert missing.value.status == 404
        assert '"reason":"NotFound"' in missing.value.body


def _log(core: Any, namespace: str) -> str:
    try:
        return str(core.read_namespaced_pod_log("talk", namespace))
    except kubernetes.client.ApiException:
        return ""


@pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported")  # kr8s knows up to 1.35
async def test_kr8s_scales_and_waits(space: Space) -> None:
    client = await kr8s.asyncio.api(kubeconfig=str(space.cluster.kubeconfig))
    made = await kr8s.asyncio.objects.Deployment(
        {**deployment("web", 1), "metadata": {"name": "web", "namespace": space.name}}, api=client
    )
    await made.create()
    await made.wait("condition=Available", timeout=40)
    await made.scale(2)

    async def count() -> bool:
        return (
            len([p.name async for p in client.get("pods", namespace=space.name, label_selector="app=web")])
            == 2
        )

    await eventually(count)
    await made.delete()


def test_lightkube_applies_lists_and_deletes(space: Space) -> None:
    config = lightkube.KubeConfig.from_file(str(space.cluster.kubeconfig))
    client = lightkube.Client(config=config, namespace=space.name, field_manager="lightkube-test")
    client.apply(
        ConfigMap(
            apiVersion="v1",
            kind="ConfigMap",
            metadata=ObjectMeta(name="c", namespace=space.name),
            data={"a": "1"},
        )
    )
    assert client.get(ConfigMap, "c").data == {"a": "1"}
    client.create(
        Deployment.from_dict({**deployment("web", 1), "metadata": {"name": "web", "namespace": space.name}})
    )
    client.wait(Deployment, "web", for_conditions=["Available"])
    assert [p.status.phase for p in client.list(Pod, labels={"app": "web"})] == ["Running"]
    client.delete(Deployment, "web")


def test_kopf_operator_runs_unmodified(space: Space, tmp_path: Path) -> None:
    """An operator that answers every ConfigMap with the label `watched` by an annotation."""
    (tmp_path / "operator.py").write_text(
        textwrap.dedent("""
        import kopf

        @kopf.on.startup()
        def configure(settings, **_):
            settings.posting.enabled = True
            settings.scanning.disabled = True

        @kopf.on.create("configmaps", labels={"watched": "yes"})
        def made(body, patch, logger, **_):
            patch.metadata.annotations["operator"] = "saw " + body["metadata"]["name"]
            logger.info("seen")
    """)
    )
    environment = {
        "KUBECONFIG": str(space.cluster.kubeconfig),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    log = (tmp_path / "log").open("w")
    operator = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "kopf",
            "run",
            "-n",
            space.name,
            "--standalone",
            str(tmp_path / "operator.py"),
        ],
        env=environment,
        stdout=log,
        stderr=log,
    )
    try:
        space.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": {"watched": "yes"}}}
        )
        until(
            lambda: (
                space.json("get", "configmap", "c")["metadata"].get("annotations", {}).get("operator")
                == "saw c"
            ),
            within=60,
        )
    except AssertionError as error:
        raise AssertionError((tmp_path / "log").read_text()) from error
    finally:
        operator.terminate()
        operator.wait(timeout=20)
        log.close()


__all__ = ["IMAGE"]
