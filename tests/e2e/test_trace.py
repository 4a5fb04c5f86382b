"""`pinnace trace` on a real node: every step of a pod's start is recorded, from the request to the service rules."""

import json
from typing import Any

from e2e_support import Space, deployment, pinnace, service, until


def test_a_deployment_from_the_request_to_the_service_rules(space: Space) -> None:
    environment = {"KUBECONFIG": str(space.cluster.kubeconfig)}
    space.apply(service("web"), deployment("web"))
    where = ("trace", "deployment/web", "-n", space.name)
    followed = pinnace(*where, "--follow", "--timeout=60s", env=environment, check=False)
    assert followed.returncode == 0, followed

    def spans() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(pinnace(*where, "-o", "json", env=environment).stdout)[
            "spans"
        ]
        return found

    def applied() -> list[dict[str, Any]]:
        found = spans()
        return found if any(span["name"] == "apply rules" for span in found) else []

    found = until(applied, within=60)
    by_id = {span["spanID"]: span for span in found}
    steps = ["volumes", "sandbox", "image present", "create container", "start container", "readiness probe"]
    own = [span for span in found if span["part"] == "kubelet" and span["name"] in steps]
    assert [span["name"] for span in sorted(own, key=lambda one: one["start"])] == steps
    run = by_id[own[0]["parentSpanID"]]
    assert {span["parentSpanID"] for span in own} == {run["spanID"]}
    assert run["milliseconds"] > 0

    def chain(span: dict[str, Any]) -> list[str]:
        above = by_id.get(span["parentSpanID"])
        return [
            *(chain(above) if above else []),
            f"{span['part']} {span['name']} {span['object'].partition('/')[0]}",
        ]

    start = [
        "apiserver create deployment", "deployment reconcile deployment", "apiserver create replicaset",
        "replicaset reconcile replicaset", "apiserver create pod", "default-scheduler schedule pod", "apiserver create pod",
        "kubelet run pod pod",
    ]  # fmt: skip
    assert chain(run) == start
    applications = [chain(span) for span in found if span["name"] == "apply rules"]
    ends = [one[-4:] for one in applications if one[: len(start)] == start]
    assert any(
        end[:2] == ["apiserver patch pod", "endpointslice reconcile service"]
        and end[2].endswith(" endpointslice")
        for end in ends
    ), applications
    drawn = pinnace(*where, "-o", "svg", env=environment).stdout
    assert drawn.startswith("<svg")
    assert "start container" in drawn
