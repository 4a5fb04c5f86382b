"""Our own command line and every kubectl on the machine, 1.27 to 1.33 here, do the same things against the same cluster."""

import json

import pytest

from e2e_support import IMAGE, OURS, VERSIONS, Space, until

# The oldest, the newest and our own; those between with `--all`.
CHOSEN = [
    pytest.param(version, marks=() if version in (VERSIONS[0], *VERSIONS[-2:]) else pytest.mark.full)
    for version in VERSIONS
]


@pytest.mark.parametrize("version", CHOSEN)
def test_a_day_with(space: Space, version: str) -> None:
    def run(*arguments: str, **options: object) -> str:
        return space.out(*arguments, version=version, **options)

    assert (
        run("create", "deployment", "d", f"--image={IMAGE}", "--port=8080") == "deployment.apps/d created\n"
    )
    assert run("expose", "deployment", "d", "--port=80", "--target-port=8080") == "service/d exposed\n"
    assert "successfully rolled out" in run("rollout", "status", "deploy/d", "--timeout=60s")
    name = run("get", "pods", "-l", "app=d", "-o", "jsonpath={.items[0].metadata.name}")
    assert run("exec", name, "--", "echo", "hi") == "hi\n"
    assert run("exec", "-i", name, "--", "cat", stdin="in and out\n") == "in and out\n"
    failed = space.kubectl("exec", name, "--", "sh", "-c", "exit 3", version=version, check=False)
    assert failed.returncode == 3
    config = json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    )
    assert run("apply", "-f", "-", stdin=config) == "configmap/c created\n"
    assert run("apply", "-f", "-", stdin=config.replace('"1"', '"2"')) == "configmap/c configured\n"
    assert run("apply", "-f", "-", stdin=config.replace('"1"', '"2"')) == "configmap/c unchanged\n"
    assert (
        run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=config)
        == "configmap/c serverside-applied\n"
    )
    assert run("set", "image", "deploy/d", f"demo={IMAGE}") in ("", "deployment.apps/d image updated\n")
    assert "deployment.apps/d" in run("rollout", "history", "deploy/d")
    assert "Normal" in run("describe", "deploy", "d")
    assert run("explain", "deploy.spec.replicas")
    assert run("auth", "can-i", "get", "pods") == "yes\n"
    assert run("scale", "deploy/d", "--replicas=0") == "deployment.apps/d scaled\n"
    until(lambda: not space.pods("app=d"), within=60)  # the grace period alone is 30 s
    assert (
        run("delete", "deploy,svc", "d")
        == f'deployment.apps "d" deleted{_where(space, version)}\nservice "d" deleted{_where(space, version)}\n'
    )


def _where(space: Space, version: str) -> str:
    """From 1.33 on kubectl names the namespace of what it deleted."""
    return (
        f" from {space.name} namespace"
        if version == OURS or tuple(map(int, version.split("."))) >= (1, 34)
        else ""
    )
