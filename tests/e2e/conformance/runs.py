"""Containers that run to their end and are judged by what they print: a table of `Run`s becomes few pods with many containers.

Upstream gives each behaviour a pod of its own; here those that ask nothing of the whole pod share one, which takes a tenth of the time.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from e2e_support import IMAGE, Space, until

IN_A_POD = 14
LINE = r"\[pod/[^/\]]+/([^/\]]+)\] (.*?)(?=\n|$|\[pod/)"  # the last one of a container may have no end
Fields = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Run:
    """A container; `$ME` in its fields is its name. Volumes are mounted at /NAME, or as `mounts` says."""

    script: str
    says: str  # every line that it prints; {name}, {uid}, ... are facts of its pod
    volumes: Fields = field(default_factory=dict)
    mounts: dict[str, list[Fields]] = field(default_factory=dict)
    container: Fields = field(default_factory=dict)
    pod: Fields = field(default_factory=dict)  # of the pod's spec; equal ones share a pod
    ends: int = 0  # exit code

    def as_container(self, name: str) -> Fields:
        mounts = [
            {"name": f"{name}-{volume}", "mountPath": f"/{volume}", **more}
            for volume in self.volumes
            for more in self.mounts.get(volume, [{}])
        ]
        body = {"name": name, "image": IMAGE, "volumeMounts": mounts, **self.container}
        if self.script:
            body["command"] = ["sh", "-c", self.script]
        return _named(body, name)

    def pod_volumes(self, name: str) -> list[Fields]:
        return [
            _named({"name": f"{name}-{volume}", **source}, name) for volume, source in self.volumes.items()
        ]


@dataclass(frozen=True)
class Result:
    code: int
    lines: list[str]
    facts: dict[str, str]
    message: str  # of the container's end


def judge(run: Run, result: Result) -> None:
    wanted = run.says.format_map(result.facts).split("\n") if run.says else []
    assert (result.code, result.lines) == (run.ends, wanted), run.script


def results(space: Space, runs: Iterable[Run]) -> dict[Run, Result]:
    """What each of the runs printed; all of them run at the same time."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[json.dumps(run.pod, sort_keys=True)].append(run)
    pods = {}
    for group in groups.values():
        for start in range(0, len(group), IN_A_POD):
            pods[f"runs-{len(pods)}"] = group[start : start + IN_A_POD]
    space.apply(*(_pod(name, group) for name, group in pods.items()))
    found: dict[Run, Result] = {}
    for name, group in pods.items():
        found.update(zip(group, _of_pod(space, name, len(group)), strict=True))
    return found


def _pod(name: str, group: list[Run]) -> Fields:
    named = [(f"c{number}", run) for number, run in enumerate(group)]
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [run.as_container(container) for container, run in named],
        "volumes": [volume for container, run in named for volume in run.pod_volumes(container)],
        **group[0].pod,
    }
    metadata = {"name": name, "labels": {"app": "runs"}, "annotations": {"builder": "bar"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _of_pod(space: Space, name: str, containers: int) -> Iterator[Result]:
    def ended() -> Fields:
        pod = space.json("get", "pod", name)
        assert pod["status"]["phase"] in ("Succeeded", "Failed"), pod["status"]
        return pod

    pod = until(ended, within=150, every=0.5)
    lines: dict[str, list[str]] = defaultdict(list)
    text = space.out("logs", name, "--all-containers", "--prefix")
    for container, line in re.findall(LINE, text):
        if line:
            lines[container].append(line)
    ends = {s["name"]: s["state"]["terminated"] for s in pod["status"]["containerStatuses"]}
    facts = _facts(space, pod)
    for number in range(containers):
        container = f"c{number}"
        end = ends[container]
        yield Result(end["exitCode"], lines[container], facts, end.get("message", ""))


def _facts(space: Space, pod: Fields) -> dict[str, str]:
    node = space.json("get", "node", pod["spec"]["nodeName"])
    allocatable = node["status"]["allocatable"]
    return {
        "name": pod["metadata"]["name"],
        "namespace": space.name,
        "uid": pod["metadata"]["uid"],
        "node": pod["spec"]["nodeName"],
        "account": pod["spec"]["serviceAccountName"],
        "podIP": pod["status"]["podIP"],
        "hostIP": pod["status"]["hostIP"],
        "cpu": allocatable["cpu"],
        "memory": str(int(allocatable["memory"].removesuffix("Ki")) * 1024),
    }


def _named(body: Fields, name: str) -> Fields:
    return json.loads(json.dumps(body).replace("$ME", name))
