"""What is proposed to be typed holds names that somebody else chose: they stay words, whatever is in them."""

import shlex

from pinnace.insight.findings import ready_to_type
from pinnace.insight.rights import Subject
from pinnace.insight.rules.pod_images import explain
from pinnace.insight.rules.pod_references import _creation

EVIL = "x; rm -rf ~ $(id)"


def test_names_do_not_run() -> None:
    assert EVIL in shlex.split(_creation("ConfigMap", EVIL, "", "shop"))
    assert f"--from-literal={EVIL}=YOUR_VALUE" in shlex.split(_creation("Secret", "a", EVIL, "shop"))
    assert EVIL in shlex.split(ready_to_type("edit", {"kind": "Pod", "metadata": {"name": EVIL}}))
    assert f"--user={EVIL}" in shlex.split(Subject(EVIL, ()).flags)
    pod = {"kind": "Pod", "metadata": {"name": "a", "namespace": "b"}, "spec": {"containers": []}}
    _, commands = explain(pod, "c", EVIL, "ErrImageNeverPull", "", pod)
    assert EVIL in shlex.split(commands[0])
    assert _creation("ConfigMap", "plain.name-1", "", "shop").startswith(
        "kubectl create configmap plain.name-1 "
    )
