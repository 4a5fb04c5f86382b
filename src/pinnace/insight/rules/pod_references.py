"""ConfigMaps, Secrets, keys, service accounts and volumes that a pod names and that are not there, or cannot be mounted."""

from collections.abc import Iterator
from typing import Any

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.core.volume_binding import claim_names
from pinnace.insight.commands import apply, edit_template, patch, patch_template
from pinnace.insight.findings import (
    LIKELY,
    Evidence,
    Finding,
    Object,
    event,
    field,
    finding,
    in_namespace,
    ready_to_type,
    word,
)
from pinnace.insight.world import World

Reference = tuple[str, str, str, str]  # kind, name, key, field path


def references(pod: Object, world: World) -> Iterator[Finding]:
    """Only of pods that do not run yet: who runs does not need them any more."""
    if pods.phase(pod) != "Pending" or pods.is_terminating(pod):
        return
    namespace, told = meta.namespace(pod), set[tuple[str, str, str]]()
    for kind, name, key, path in _named(pod):
        obj = world.get(kind, namespace, name)
        if obj is None and world.is_missing(kind, namespace, name) and (kind, name, "") not in told:
            told.add((kind, name, ""))
            yield finding(
                pod, f"{kind} {name}, which it needs, is not there", evidence=_evidence(pod, path, name, world),
                commands=[_creation(kind, name, key, namespace)],
            )  # fmt: skip
        elif obj is not None and key and key not in _keys(obj) and (kind, name, key) not in told:
            told.add((kind, name, key))
            have = ", ".join(sorted(_keys(obj))) or "none"
            yield finding(
                pod, f'{kind} {name} has no key "{key}"; it has: {have}', evidence=_evidence(pod, path, f"{name}: {key}", world),
                commands=[patch(obj, {"data" if kind == "ConfigMap" else "stringData": {key: "YOUR_VALUE"}})],
            )  # fmt: skip


def account(pod: Object, world: World) -> Iterator[Finding]:
    name = pod["spec"].get("serviceAccountName")
    if (
        pods.phase(pod) == "Pending"
        and name
        and world.is_missing("ServiceAccount", meta.namespace(pod), name)
    ):
        yield finding(
            pod, f"its service account {name} is gone", rank=LIKELY, evidence=[field(pod, "spec.serviceAccountName", name)],
            commands=[f"kubectl create serviceaccount {word(name)}{in_namespace(pod)}"],
        )  # fmt: skip


def claims(pod: Object, world: World) -> Iterator[Finding]:
    for volume, name in claim_names(pod):
        namespace = meta.namespace(pod)
        if (
            pods.phase(pod) == "Pending"
            and "persistentVolumeClaim" in volume
            and world.is_missing("PersistentVolumeClaim", namespace, name)
        ):
            yield finding(
                pod, f"PersistentVolumeClaim {name}, which it needs, is not there",
                evidence=[field(pod, f"spec.volumes[{volume['name']}].persistentVolumeClaim.claimName", name)],
                commands=[_claim(name, namespace), f"kubectl get pvc -n {namespace}"],
            )  # fmt: skip


def configuration(pod: Object, world: World) -> Iterator[Finding]:
    """What the kubelet says when it cannot make a container of the spec; missing objects are told by `references`."""
    for status in pods.container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message") or ""
        if reason not in (
            "CreateContainerConfigError",
            "CreateContainerError",
            "RunContainerError",
            "PostStartHookError",
        ):
            continue  # fmt: skip
        if (
            "not found" in message and ("configmap" in message or "secret" in message)
        ) or "couldn't find key" in message:
            continue  # fmt: skip
        cause, commands = (
            f"container {status['name']} cannot be made: {message}",
            [ready_to_type("describe", pod)],
        )
        if "runAsNonRoot" in message or "non-root" in message:
            cause = f"container {status['name']} must not run as root, but its image does, or does not say as which number it runs"
            commands = patch_template(pod, world, {"securityContext": {"runAsUser": 1000}})
        elif "executable file not found" in message or "no such file or directory" in message:
            cause = f"the command of container {status['name']} is not in its image: {message}"
            commands = edit_template(pod, world)
        yield finding(
            pod, cause, commands=commands,
            evidence=[Evidence(f"pod/{meta.name(pod)} status.containerStatuses[{status['name']}].state.waiting", f"{reason}: {message}")],
        )  # fmt: skip


def mounts(pod: Object, world: World) -> Iterator[Finding]:
    """Volumes and sandboxes that the node could not prepare."""
    if pods.phase(pod) != "Pending" or not pods.node_name(pod):
        return
    for reason, what in (
        ("FailedMount", "a volume cannot be mounted"), ("FailedAttachVolume", "a volume cannot be attached to its node"),
        ("FailedCreatePodSandBox", "the node cannot set up its sandbox (network, cgroup)"), ("NetworkNotReady", "the network of its node is not ready"),
        ("FailedPrepareDynamicResources", "devices that it claims cannot be prepared"),
    ):  # fmt: skip
        for one in world.events(pod, reason)[:1]:
            message = " ".join((one.get("message") or "").split())
            if "not found" in message and ("configmap" in message or "secret" in message):
                continue  # told by `references`
            yield finding(
                pod, f"{what}: {message}", rank=LIKELY, evidence=[event(one)], commands=[ready_to_type("describe", pod)]
            )  # fmt: skip


def _named(pod: Object) -> Iterator[Reference]:
    for container in pods.all_containers(pod):
        path = f"spec.containers[{container['name']}]"
        for source in container.get("envFrom") or ():
            for part, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                yield from _one(source.get(part), kind, "", f"{path}.envFrom.{part}")
        for variable in container.get("env") or ():
            value = variable.get("valueFrom") or {}
            for part, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                reference = value.get(part)
                yield from _one(
                    reference,
                    kind,
                    (reference or {}).get("key", ""),
                    f"{path}.env[{variable['name']}].{part}",
                )
    for volume in pod["spec"].get("volumes") or ():
        yield from _of_volume(volume)


def _of_volume(volume: Object) -> Iterator[Reference]:
    path = f"spec.volumes[{volume['name']}]"
    sources = [(volume, path)]
    sources += [
        (source, f"{path}.projected") for source in (volume.get("projected") or {}).get("sources") or ()
    ]
    for source, at in sources:
        for part, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            found = source.get(part)
            if not found:
                continue
            reference = {**found, "name": found.get("secretName") or found.get("name")}
            keys = [item["key"] for item in found.get("items") or ()] or [""]
            for key in keys:
                yield from _one(reference, kind, key, f"{at}.{part}")


def _one(reference: Any, kind: str, key: str, path: str) -> Iterator[Reference]:
    if reference and reference.get("name") and not reference.get("optional"):
        yield kind, reference["name"], key, path


def _keys(obj: Object) -> set[str]:
    return {*(obj.get("data") or {}), *(obj.get("binaryData") or {})}


def _evidence(pod: Object, path: str, value: str, world: World) -> list[Evidence]:
    seen = [
        event(one)
        for one in world.events(pod, "Failed", "FailedMount")
        if value.split(":", maxsplit=1)[0] in (one.get("message") or "")
    ]
    return [field(pod, path, value), *seen[:1]]  # fmt: skip


def _claim(name: str, namespace: str) -> str:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "YOUR_SIZE"}}}
    metadata = {"name": name, "namespace": namespace}
    return apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})


def _creation(kind: str, name: str, key: str, namespace: str) -> str:
    what = "configmap" if kind == "ConfigMap" else "secret generic"
    return f"kubectl create {what} {word(name)} --from-literal={word(key or 'YOUR_KEY')}=YOUR_VALUE -n {namespace}"
