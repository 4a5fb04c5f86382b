"""Images that cannot be had: a wrong name or tag, no login, a registry that does not answer, a pull policy of Never."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.insight.commands import maker, patch
from pinnace.insight.findings import (
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

REASONS = (
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable",
    "SignatureValidationFailed",
)  # fmt: skip
# words in the message of a runtime, in lower case -> what it means
_REFUSED = (
    "unauthorized", "authentication required", "authorization failed", "pull access denied", "403 forbidden", "401", "denied:",
)  # fmt: skip
_ABSENT = (
    "not found",
    "manifest unknown",
    "name unknown",
    "404",
    "no such manifest",
    "repository does not exist",
)
_DOWN = (
    "connection refused", "no such host", "i/o timeout", "timeout", "no route to host", "network is unreachable",
    "temporary failure in name resolution", "503", "502", "connection reset", "registryunavailable", "server misbehaving",
)  # fmt: skip
_TLS = ("x509:", "tls:", "server gave http response to https client", "certificate")


def image(pod: Object, world: World) -> Iterator[Finding]:
    for status in pods.container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in REASONS:
            continue
        container = pods.find_container(pod, status["name"]) or {}
        name = container.get("image") or status.get("image", "")
        message = _message(pod, waiting, name, world)
        cause, commands = explain(pod, status["name"], name, waiting["reason"], message, maker(pod, world))
        gone = [
            one["name"]
            for one in pod["spec"].get("imagePullSecrets") or ()
            if one.get("name") and world.is_missing("Secret", meta.namespace(pod), one["name"])
        ]
        if gone and "refuses" in cause:
            cause = f"registry {split(name)[0]} refuses to give out {split(name)[1]}: the secret {gone[0]} with the login is not there"
        yield finding(
            pod, cause,
            evidence=[
                field(pod, f"spec.containers[{status['name']}].image", name),
                Evidence(f"pod/{meta.name(pod)} status.containerStatuses[{status['name']}].state.waiting",
                         f"{waiting['reason']}: {' '.join((waiting.get('message') or '').split())}"),
                *[event(one) for one in world.events(pod, "Failed") if "Failed to pull" in (one.get("message") or "")][:1],
            ],
            commands=commands,
        )  # fmt: skip


def _message(pod: Object, waiting: Object, name: str, world: World) -> str:
    """A back-off may not repeat the error: the event of the failed pull does."""
    texts = [waiting.get("message") or ""]
    texts += [
        one.get("message") or ""
        for one in world.events(pod, "Failed", "InspectFailed")
        if name in (one.get("message") or "")
    ]
    return " ".join(texts)


def explain(
    pod: Object, container: str, image_name: str, reason: str, message: str, made_by: Object
) -> tuple[str, list[str]]:
    low, edit = message.lower().replace(image_name.lower(), ""), _set_image(made_by, container)
    namespace = in_namespace(pod)
    if reason == "InvalidImageName":
        return f'"{image_name}" (container {container}) is not the name of an image', [edit]
    if reason == "ErrImageNeverPull":
        return (
            f"image {image_name} is not on the node, and imagePullPolicy: Never forbids to fetch it",
            [f"pinnace image load YOUR_FILE --tag {word(image_name)}", edit],
        )
    registry, repository, tag = split(image_name)
    if any(word in low for word in _TLS):
        return (
            f"the registry {registry} does not speak TLS as the node expects: its certificate is not trusted, or it speaks plain HTTP",
            [ready_to_type("describe", pod)],
        )
    refused = any(word in low for word in _REFUSED)
    if refused:
        secrets = [one.get("name") for one in pod["spec"].get("imagePullSecrets") or ()]
        with_what = f"the login in secret {secrets[0]} is not accepted" if secrets else "no login is given"
        return (
            f"registry {registry} refuses to give out {repository}: {with_what}, or there is no such repository",
            _log_in(pod, registry, made_by),
        )  # fmt: skip
    if any(word in low for word in _DOWN):
        return (
            f"the registry {registry} cannot be reached from the node",
            [edit, f"kubectl get pod {meta.name(pod)}{namespace} -o wide"],
        )
    if any(word in low for word in _ABSENT):
        return (
            f'there is no image {image_name}: registry {registry} has no tag "{tag}" of {repository}, or no such repository',
            [edit],
        )
    return f"image {image_name} of container {container} cannot be had ({reason})", [
        ready_to_type("describe", pod)
    ]


def split(image_name: str) -> tuple[str, str, str]:
    """Registry, repository, and tag or digest, with the defaults that runtimes fill in."""
    rest, _, digest = image_name.partition("@")
    first, slash, path = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, rest = first, path
    else:
        registry = "docker.io"
    repository, _, tag = rest.partition(":")
    return registry, repository, digest or tag or "latest"


def _set_image(made_by: Object, container: str) -> str:
    if made_by["kind"] == "Job":  # its template cannot be changed
        return f"kubectl replace --force -f YOUR_FILE{in_namespace(made_by)}"
    return ready_to_type("set image", made_by, f"{word(container)}=YOUR_IMAGE")


def _log_in(pod: Object, registry: str, made_by: Object) -> list[str]:
    """The login is put into pods when they are made, so they are made anew."""
    namespace, secret = in_namespace(pod), "registry-login"
    account = {"kind": "ServiceAccount", "metadata": {**pod["metadata"], "name": pod["spec"].get("serviceAccountName") or "default"}}  # fmt: skip
    login = f"--docker-server={word(registry)} --docker-username=YOUR_USER --docker-password=YOUR_PASSWORD"
    again = "rollout restart" if made_by["kind"] in ("Deployment", "StatefulSet", "DaemonSet") else ""
    return [
        f"kubectl create secret docker-registry {secret} {login}{namespace}",
        patch(account, {"imagePullSecrets": [{"name": secret}]}),
        ready_to_type(again, made_by) if again else ready_to_type("delete", pod),
    ]
