"""Jobs and CronJobs with real containers, driven by kubectl (or our own program where there is none)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from e2e_support import IMAGE, Space, pinnace, until


def job(name: str, command: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": IMAGE, "command": ["sh", "-c", command]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec},
    }  # fmt: skip


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_job_runs_to_completion(space: Space) -> None:
    space.apply(job("work", "echo done-$JOB_COMPLETION_INDEX; hostname", completionMode="Indexed",
                    completions=2, parallelism=2))  # fmt: skip
    waited = space.out("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    assert waited == "job.batch/work condition met\n"
    header, row = rows(space.out("get", "jobs"))
    assert header[:4] == ["NAME", "STATUS", "COMPLETIONS", "DURATION"]
    assert row[:3] == ["work", "Complete", "2/2"]
    assert IMAGE in space.out("get", "job", "work", "-o", "wide")
    for part in (
        "0 Active (0 Ready) / 2 Succeeded / 0 Failed",
        "Completed Indexes:  0,1",
        "SuccessfulCreate",
        "Job completed",
    ):
        until(lambda part=part: part in space.out("describe", "job", "work"))  # events may come later
    for index in ("0", "1"):
        selector = f"batch.kubernetes.io/job-completion-index={index}"
        assert space.out("logs", "-l", selector) == f"done-{index}\nwork-{index}\n"
    ours = pinnace(
        "kubectl", "--kubeconfig", str(space.cluster.kubeconfig), "-n", space.name, "logs", "job/work"
    )
    assert ours.stdout.startswith("done-")
    assert all("finalizers" not in one["metadata"] for one in space.pods("job-name=work"))
    space.kubectl("delete", "job", "work")
    until(lambda: not space.pods("job-name=work"))


def test_a_job_fails_with_the_exit_code_of_its_container(space: Space) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    space.apply(job("bad", "exit 42", podFailurePolicy={"rules": [rule]}))
    space.kubectl("wait", "--for=condition=failed", "job/bad", "--timeout=60s")
    (failed,) = [
        one for one in space.json("get", "job", "bad")["status"]["conditions"] if one["type"] == "Failed"
    ]
    assert failed["reason"] == "PodFailurePolicy"
    assert "failed with exit code 42 matching FailJob rule at index 0" in failed["message"]
    assert space.json("get", "job", "bad")["status"]["failed"] == 1


def test_a_cron_job_and_a_job_made_from_it(space: Space) -> None:
    space.kubectl(
        "create", "cronjob", "tick", f"--image={IMAGE}", "--schedule=*/1 * * * *", "--", "echo", "tock"
    )
    space.kubectl("create", "job", "now", "--from=cronjob/tick")
    space.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=60s")
    assert space.out("logs", "job/now") == "tock\n"
    until(lambda: space.json("get", "cronjob", "tick")["status"].get("lastSuccessfulTime"))
    assert rows(space.out("get", "cj", "tick"))[1][:2] == ["tick", "*/1"]
    earlier = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:00Z")
    missed = json.dumps({"status": {"lastScheduleTime": earlier}})  # what is due is made up for at once
    space.kubectl("patch", "cronjob", "tick", "--subresource=status", "--type=merge", "-p", missed)
    scheduled = until(lambda: [j for j in space.json("get", "jobs")["items"] if j["metadata"]["name"] != "now"])  # fmt: skip
    name = scheduled[0]["metadata"]["name"]
    space.kubectl("wait", "--for=condition=complete", f"job/{name}", "--timeout=60s")
    until(lambda: "SawCompletedJob" in space.out("describe", "cronjob", "tick"))
    assert f"Created job {name}" in space.out("describe", "cronjob", "tick")
