"""Commands that mend: complete ones, or with a placeholder (`YOUR_...`) where only a person knows the value."""

import json
import re
from typing import Any

from pinnace.api import meta
from pinnace.insight.findings import Object, in_namespace, ready_to_type, word
from pinnace.insight.world import World

PLACEHOLDER = re.compile(r"\bYOUR_[A-Z]+(?:_[A-Z]+)*\b")
_LOOKS = ("get", "describe", "logs", "top", "explain", "why", "events", "trace", "auth can-i", "rollout history", "rollout status")  # fmt: skip
_WITH_TEMPLATE = ("Deployment", "StatefulSet", "DaemonSet", "ReplicationController", "ReplicaSet")


def is_look(command: str) -> bool:
    """It shows something, and changes nothing in the cluster."""
    words = command.partition(" ")[2]
    if " > " in words:
        return False  # the first step of a change
    return any(words == one or words.startswith(f"{one} ") for one in _LOOKS)


def is_edit(command: str) -> bool:
    """It opens an editor: what to write there is the person's to say, at the field that the evidence names."""
    return command.startswith("kubectl edit ")


def patch(obj: Object, body: Any, how: str = "") -> str:
    """`kubectl patch service web -n shop -p '...'`; `how` is the type of the patch, strategic without."""
    text = word(json.dumps(body, separators=(",", ":"), ensure_ascii=False))
    return ready_to_type("patch", obj, f"{f'--type={how} ' if how else ''}-p {text}")


def apply(obj: Object) -> str:
    """For kinds that `kubectl create` cannot make."""
    return f"echo {word(json.dumps(obj, separators=(',', ':'), ensure_ascii=False))} | kubectl apply -f -"


def maker(obj: Object, world: World) -> Object:
    """Who holds the template of a pod: its topmost controller; the object itself where there is none."""
    reference = meta.controller_of(obj)
    if reference is None or reference["kind"] == "Node":
        return obj
    namespace = meta.namespace(obj)
    if reference["kind"] in ("ReplicaSet", "Job", "Deployment"):
        owner = world.get(reference["kind"], namespace, reference["name"])
        if owner is not None:
            return maker(owner, world)
        if reference["kind"] == "ReplicaSet" and (hashed := meta.labels(obj).get("pod-template-hash")):
            return _reference("Deployment", reference["name"].removesuffix(f"-{hashed}"), namespace)
    return _reference(reference["kind"], reference["name"], namespace)


def _reference(kind: str, name: str, namespace: str) -> Object:
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}}


def has_template(made_by: Object) -> bool:
    """Its template may be changed, and its pods follow."""
    return made_by["kind"] in _WITH_TEMPLATE


def edit_template(obj: Object, world: World) -> list[str]:
    """Change what the pod is made from. Most of a pod, and all of a job, cannot be changed: they are made anew."""
    made_by = maker(obj, world)
    if made_by["kind"] == "Pod":
        shown = ready_to_type("get", made_by, "-o yaml > YOUR_FILE")
        return [shown, "kubectl replace --force -f YOUR_FILE"]
    if made_by["kind"] == "Job":
        return [f"kubectl replace --force -f YOUR_FILE{in_namespace(made_by)}"]
    return [ready_to_type("edit", made_by)]


def patch_template(obj: Object, world: World, pod_spec: Object) -> list[str]:
    """As `edit_template`, where what to write is known."""
    made_by = maker(obj, world)
    if not has_template(made_by):
        return edit_template(obj, world)
    return [patch(made_by, {"spec": {"template": {"spec": pod_spec}}})]
