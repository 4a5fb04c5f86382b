"""`debug`: an ephemeral container in a pod, a changed copy of a pod, or a pod in the namespaces of a node."""

import random
from typing import Any

from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.patch import strategic
from pinnace.apimachinery.schema import schemas
from pinnace.cli import attaching
from pinnace.cli.attaching import Wish
from pinnace.cli.builder import Selection, from_files, resolve_names
from pinnace.cli.changing import copied
from pinnace.cli.command import FILES, Command
from pinnace.cli.commands.debug_profiles import LEGACY, PROFILES, Target
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.image_names import INVALID, is_image_name
from pinnace.cli.pods_of import containers
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
KEEP = ("keep-labels", "keep-annotations", "keep-liveness", "keep-readiness", "keep-startup", "keep-init-containers")  # fmt: skip
LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no word comes of these
DEPRECATED = (
    "--profile=legacy is deprecated and will be removed in the future. It is recommended to explicitly specify a profile, "
    'for example "--profile=general".'
)
NOT_ROOT = (
    "Warning: Non-root user is configured for the entire target Pod, and some capabilities granted by debug profile may not "
    'work. Please consider using "--custom" with a custom profile that specifies "securityContext.runAsUser: 0".'
)


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    split = flags["--"]
    names, words = (arguments[:split], arguments[split:]) if split >= 0 else (arguments, [])
    if flags["stdin"] and "attach" not in flags.given:
        flags["attach"] = True
    if flags["debug-profile"] not in PROFILES:
        raise CliError(f"unknown profile: {flags['debug-profile']}")
    custom = _custom(flags["custom"])
    _check(flags, names, words)
    _check_custom(custom)
    if flags["debug-profile"] == LEGACY:
        warn(DEPRECATED)
    making = Debugging(session, flags, words, custom)
    chosen = [*(from_files(session, flags) if flags["filename"] else ()), *resolve_names(session, names)]
    for one in chosen:
        making.debug(one)
    return 0


class Debugging:
    """One call of the command; `words` is what runs in the container."""

    def __init__(self, session: Session, flags: Values, words: list[str], custom: Object) -> None:
        self._session, self._flags, self._words, self._custom = session, flags, words, custom

    def debug(self, one: Selection) -> None:
        obj = self._session.http.get(one.path)
        if one.resource.qualified == "nodes":
            pod, name = self._on_node(obj)
        elif one.resource.qualified != "pods":
            api_version = one.resource.api_version
            raise CliError(f'"{api_version}, Kind={one.resource.kind}" not supported by debug')
        elif self._flags["copy-to"]:
            pod, name = self._by_copy(obj)
        else:
            pod, name = self._in_pod(obj)
        if self._flags["attach"] and name:
            self._attach(pod, name)

    # --- the three ways

    def _in_pod(self, pod: Object) -> tuple[Object, str]:
        """The pod with one more ephemeral container."""
        name = self._container_name(pod)
        container = self._container(name)
        if self._flags["target"]:
            container["targetContainerName"] = self._flags["target"]
        container = self._profiled(Target(pod, container, "ephemeral"))
        _warn_of_user(pod, container)
        path = f"{attaching.path_of(pod, 'ephemeralcontainers')}"
        try:
            changed: Object = self._session.http.request(
                "PATCH", path, None, {"spec": {"ephemeralContainers": [container]}},
                content_type="application/strategic-merge-patch+json",
            )  # fmt: skip
        except ServerError as error:
            if error.reason == "NotFound" and not (error.status.get("details") or {}).get("name"):
                text = f'ephemeral containers are disabled for this cluster (error from server: "{error}")'
                raise CliError(text) from error
            raise
        return changed, name

    def _on_node(self, node: Object) -> tuple[Object, str]:
        """A pod that runs on the node, with the node's file system."""
        name = self._flags["container"] or "debugger"
        on = node["metadata"]["name"]
        pod_name = f"node-debugger-{on}-{_suffix()}"
        if not self._flags["quiet"]:
            print(f"Creating debugging pod {pod_name} with container {name} on node {on}.")
        container = self._container(name)
        pod: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod_name, "labels": {"app.kubernetes.io/managed-by": "kubectl-debug"}},
            "spec": {
                "nodeName": on,
                "restartPolicy": "Never",
                "tolerations": [{"operator": "Exists"}],
            },
        }
        pod["spec"]["containers"] = [self._profiled(Target(pod, container, "node"))]
        return self._create(pod, self._session.namespace), name

    def _by_copy(self, pod: Object) -> tuple[Object, str]:
        """Another pod, like this one but for what the flags say."""
        flags = self._flags
        copy = self._copy_of(pod)
        made = self._copied_container(copy)
        if made is not None:
            target = Target(copy, made, "copy", frozenset(flag for flag in KEEP if flags[flag]))
            profiled = self._profiled(target)
            for section in attaching.SECTIONS:
                for at, container in enumerate(copy["spec"].get(section) or ()):
                    if container is made:
                        copy["spec"][section][at] = profiled
                        if section == "containers":
                            _warn_of_user(copy, profiled)
        created = self._create(copy, pod["metadata"]["namespace"])
        if flags["replace"]:
            metadata = pod["metadata"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
            self._session.http.request("DELETE", path, None, options)
        return created, made["name"] if made is not None else ""

    def _copy_of(self, pod: Object) -> Object:
        flags, metadata = self._flags, pod["metadata"]
        copy = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": flags["copy-to"],
                "namespace": metadata["namespace"],
                **{field: metadata[field] for field in ("labels", "annotations") if field in metadata},
            },
            "spec": copied(pod["spec"]),
        }
        spec = copy["spec"]
        spec.pop("ephemeralContainers", None)
        if "share-processes" in flags.given:
            spec["shareProcessNamespace"] = flags["share-processes"]
        if not flags["same-node"]:
            spec.pop("nodeName", None)
        images = flags["set-image"]
        for container in spec["containers"]:
            image = images.get(container["name"], images.get("*"))
            if image:
                container["image"] = image
        return copy

    def _copied_container(self, copy: Object) -> Object | None:
        """The container of the copy that is debugged: one that is there, or a new one; None when only images change."""
        flags, spec = self._flags, copy["spec"]
        found = [c for section in attaching.SECTIONS for c in spec.get(section) or () if c["name"] == flags["container"]]  # fmt: skip
        if found:
            container: Object = found[-1]
        elif not flags["image"]:
            if flags["set-image"]:
                return None
            raise CliError("you must specify image when creating new container")
        else:
            name = flags["container"] or self._container_name(copy)
            container = {"name": name, "terminationMessagePolicy": "File", "resources": {}}
            spec["containers"].append(container)
        if self._words and flags["arguments-only"]:
            container["args"] = self._words
        elif self._words:
            container["command"] = self._words
            container.pop("args", None)
        environment = _environment(flags)
        for field, value in (
            ("env", environment), ("image", flags["image"]), ("imagePullPolicy", flags["image-pull-policy"])
        ):  # fmt: skip
            if value:
                container[field] = value
        for field in ("stdin", "tty"):
            container.pop(field, None)
            if flags[field]:
                container[field] = True
        return container

    # --- containers

    def _container(self, name: str) -> Object:
        flags = self._flags
        container = {
            "name": name,
            "image": flags["image"],
            "env": _environment(flags),
            "imagePullPolicy": flags["image-pull-policy"],
            "stdin": flags["stdin"],
            "tty": flags["tty"],
            "terminationMessagePolicy": "File",
            "args" if flags["arguments-only"] else "command": self._words,
        }
        return {"resources": {}, **{field: value for field, value in container.items() if value}}

    def _profiled(self, target: Target) -> Object:
        """The container after the profile, and after the user's own one."""
        PROFILES[self._flags["debug-profile"]](target)
        if not self._custom:
            return target.container
        if target.style == "copy" and target.container not in target.pod["spec"]["containers"]:
            name = target.container["name"]
            raise CliError(f"unable to find the {name} container in the pod {target.pod['metadata']['name']}")
        return strategic.apply(target.container, self._custom, _schema())

    def _container_name(self, pod: Object) -> str:
        if self._flags["container"]:
            return str(self._flags["container"])
        taken = containers(pod)
        name = ""
        while not name or name in taken:
            name = f"debugger-{_suffix()}"
        if not self._flags["quiet"]:
            print(f"Defaulting debug container name to {name}.")
        return name

    def _create(self, pod: Object, namespace: str) -> Object:
        made: Object = self._session.http.request("POST", f"/api/v1/namespaces/{namespace}/pods", None, pod)
        return made

    def _attach(self, pod: Object, name: str) -> None:
        flags = self._flags
        wish = Wish(flags["stdin"], flags["tty"], flags["quiet"])

        def is_there(found: Object) -> bool:
            state = (attaching.status_of(found, name) or {}).get("state") or {}
            message = (state.get("waiting") or {}).get("message")
            if message and not wish.quiet:
                warn(f"Warning: container {name}: {message}")
            return "running" in state or "terminated" in state

        pod = attaching.wait_for(self._session, pod, is_there)
        state = (attaching.status_of(pod, name) or {})["state"]
        if "terminated" in state:
            attaching.print_logs(self._session, pod, name)
        else:
            attaching.attach_or_logs(self._session, pod, name, wish)


def _suffix() -> str:
    return "".join(random.choices(LETTERS, k=5))


def _environment(flags: Values) -> list[Object]:
    return [{"name": name, "value": value} for name, value in flags["env"].items()]


def _warn_of_user(pod: Object, container: Object) -> None:
    """Of capabilities that a user other than root does not get."""
    of_pod = (pod["spec"].get("securityContext") or {}).get("runAsUser")
    context = container.get("securityContext")
    if not of_pod or context is None or context.get("runAsUser") == 0:
        return
    if context.get("privileged") or (context.get("capabilities") or {}).get("add"):
        warn(NOT_ROOT)


# --- what the flags may say


def _check(flags: Values, names: list[str], words: list[str]) -> None:
    _check_copy(flags, words)
    image, policy = flags["image"], flags["image-pull-policy"]
    if image and not is_image_name(image):
        raise CliError(f'invalid image name "{image}": {INVALID}')
    if not names and not flags["filename"]:
        raise CliError("NAME or filename is required for debug")
    if policy not in ("", "Always", "IfNotPresent", "Never"):
        raise CliError(f"invalid image pull policy: {policy}")
    for name, other in flags["set-image"].items():
        if not is_image_name(other):
            raise CliError(f'invalid image name "{other}" for container "{name}": {INVALID}')
    if flags["target"]:
        if flags["copy-to"]:
            raise CliError("--target is incompatible with --copy-to. Use --share-processes instead.")
        if not flags["quiet"]:
            print(
                f'Targeting container "{flags["target"]}". If you don\'t see processes from this container it may be because '
                "the container runtime doesn't support this feature."
            )
    if flags["tty"] and not flags["stdin"]:
        raise CliError("-i/--stdin is required for containers with -t/--tty=true")


def _check_copy(flags: Values, words: list[str]) -> None:
    image, container, images = flags["image"], flags["container"], flags["set-image"]
    if flags["attach"] and "attach" in flags.given and not image and not container:
        raise CliError(
            "you must specify --container or create a new container using --image in order to attach."
        )
    if flags["copy-to"]:
        if not (image or images or words):
            raise CliError("you must specify --image, --set-image or command arguments.")
        if words and not container and not image:
            raise CliError("you must specify an existing container or a new image when specifying args.")
        return
    for flag in ("replace", "same-node", "set-image"):
        if flags[flag]:
            raise CliError(f"--{flag} may only be used with --copy-to.")
    if not image:
        raise CliError("you must specify --image when not using --copy-to.")


def _custom(path: str) -> Object:
    """The part of a container that a file holds."""
    if not path:
        return {}
    import yaml  # here, since few calls need it

    try:
        with open(path) as file:  # noqa: PTH123 (start-up time)
            found = yaml.safe_load(file)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise CliError(
            f"must pass a container spec json file for custom profile: open {path}: {reason}"
        ) from error
    except yaml.YAMLError as error:
        raise CliError(f"{path} does not contain a valid container spec: {error}") from error
    if not isinstance(found, dict):
        raise CliError(f"{path} does not contain a valid container spec: it is no mapping")
    wrong = [problem.message for problem in _schema().prune(found) if problem.kind == "type"]
    if wrong:
        raise CliError(f"{path} does not contain a valid container spec: {wrong[0]}")
    return found


def _check_custom(custom: Object) -> None:
    if any(custom.get(field) for field in ("name", "command", "image", "lifecycle", "volumeDevices")):
        raise CliError(
            "name, command, image, lifecycle and volume devices are not modifiable via custom profile"
        )


def _schema() -> Any:
    pod = schemas.for_gvk(GVK("", "v1", "Pod"))
    assert pod is not None
    spec = pod.child("spec")
    assert spec is not None
    section = spec.child("containers")
    assert section is not None
    return section.element


DEBUG = Command(
    run,
    (
        FILES[0],
        Flag("arguments-only", kind="bool", help="What stands after -- are the arguments, not the command."),
        Flag("attach", kind="bool", help="Wait for the container and attach to it; so with -i."),
        Flag("container", "c", help="Name of the debug container."),
        Flag("copy-to", help="Create a copy of the pod with this name."),
        Flag("replace", kind="bool", help="With --copy-to: delete the original pod."),
        Flag("env", kind="map", help="Environment variables: NAME=value."),
        Flag("image", help="Image of the debug container."),
        Flag("keep-labels", kind="bool", help="With --copy-to: keep the labels."),
        Flag("keep-annotations", kind="bool", help="With --copy-to: keep the annotations."),
        Flag("keep-liveness", kind="bool", help="With --copy-to: keep liveness probes."),
        Flag("keep-readiness", kind="bool", help="With --copy-to: keep readiness probes."),
        Flag("keep-startup", kind="bool", help="With --copy-to: keep startup probes."),
        Flag("keep-init-containers", kind="bool", default=True, help="With --copy-to: run the init containers."),
        Flag("set-image", kind="map", help="With --copy-to: name=image pairs of containers."),
        Flag("image-pull-policy", help="Always, IfNotPresent or Never."),
        Flag("stdin", "i", kind="bool", help="Keep standard input open on the container."),
        Flag("quiet", "q", kind="bool", help="Suppress informational messages."),
        Flag("same-node", kind="bool", help="With --copy-to: put the copy on the same node."),
        Flag("share-processes", kind="bool", default=True, help="With --copy-to: share the process namespace."),
        Flag("target", help="See the processes of this container of the pod."),
        Flag("tty", "t", kind="bool", help="Allocate a terminal."),
        Flag("profile", default=LEGACY, key="debug-profile", help="legacy, general, baseline, netadmin, restricted or sysadmin."),
        Flag("custom", help="A JSON or YAML file with a part of a container that changes the profile's."),
    ),
    "(POD | TYPE[[.VERSION].GROUP]/NAME) [ -- COMMAND [args...] ]",
    "Create debugging sessions for troubleshooting workloads and nodes.",
)  # fmt: skip
