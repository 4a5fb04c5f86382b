"""`run`: one pod from an image; with `--expose` a service for it, with `-i`, `-t` or `--attach` connected to it."""

from typing import Any

from pinnace.cli import dry_run
from pinnace.cli.attaching import Wish, attach_or_logs, print_logs, wait_for
from pinnace.cli.command import Command
from pinnace.cli.commands.create import CHANGE, SAVE, create_one, generated
from pinnace.cli.errors import CliError, PlainError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.image_names import INVALID, is_image_name
from pinnace.cli.overrides import OVERRIDES, overridden
from pinnace.cli.pods_of import RUNNING_TIMEOUT, default_container
from pinnace.cli.session import Session

Object = dict[str, Any]
POLICIES = ("Always", "OnFailure", "Never")
MANAGER = "kubectl-run"


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    flags["attach"] = flags["attach"] or ("attach" not in flags.given and flags["stdin"])
    flags["field-manager"] = flags["field-manager"] or MANAGER
    _check(session, flags, arguments)
    if not flags["attach"]:
        pod = generated(session, flags, overridden(flags, manifest(flags, arguments)))
        if not flags["expose"]:
            create_one(session, flags, pod)
            return 0
        made = [pod, generated(session, flags, _service(flags, arguments[0]))]
        for one in reversed(made):  # the service is told of first
            create_one(session, flags, one)
            if one is not pod and flags["output"] == "yaml":
                print("---\n---")  # both the command and its printer say so in kubectl
        return 0
    return _attached(session, flags, arguments)


def _attached(session: Session, flags: Values, arguments: list[str]) -> int:
    """As `attach` does, when it has started; the exit code is the container's where it can be told."""
    one = generated(session, flags, overridden(flags, manifest(flags, arguments)))
    query = dry_run.query(flags, MANAGER)
    pod = session.http.request("POST", one.resource.path(one.namespace), query, one.manifest)
    paths = [(f'pod "{one.name}"', one.path)]
    try:
        if flags["expose"]:
            service = generated(session, flags, _service(flags, one.name))
            create_one(session, flags, service)
            paths.append((f'service "{one.name}"', service.path))
        return _until_it_ends(session, flags, pod)
    finally:
        for shown, path in paths if flags["rm"] else ():
            _remove(session, flags, shown, path, one.namespace)


def _until_it_ends(session: Session, flags: Values, pod: Object) -> int:
    timeout, wish = flags["pod-running-timeout"], Wish(flags["stdin"], flags["tty"], flags["quiet"])
    try:
        pod = wait_for(session, pod, lambda found: _is_ready(found) or _has_ended(found), timeout)
        name = default_container(pod, quiet=flags["quiet"])
        if _has_ended(pod):
            print_logs(session, pod, name)
        else:
            attach_or_logs(session, pod, name, wish)
        if flags["leave-stdin-open"] or flags["restart"] == "Always":
            return 0
        phases = ("Succeeded",) if flags["restart"] == "OnFailure" else ("Succeeded", "Failed")
        pod = wait_for(session, pod, lambda found: _phase(found) in phases, timeout)
    except TimeoutError:
        raise CliError("timed out waiting for the condition") from None
    if _phase(pod) == "Succeeded":
        return 0
    about = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
    statuses = pod["status"].get("containerStatuses") or [{}]
    ended = (statuses[0].get("state") or {}).get("terminated") or {}
    code = ended.get("exitCode", 0)
    if not code:
        raise CliError(f"{about} failed with unknown exit code")
    raise PlainError(f"{about} terminated ({ended.get('reason', '')})\n{ended.get('message', '')}".rstrip("\n"), code)  # fmt: skip


def _remove(session: Session, flags: Values, shown: str, path: str, namespace: str) -> None:
    try:
        session.http.request("DELETE", path, None, {"propagationPolicy": "Background"})
    except ServerError as error:
        if not not_found(error):
            raise
        return
    if not flags["quiet"]:
        print(f"{shown} deleted from {namespace} namespace")


def _phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase") or ""


def _has_ended(pod: Object) -> bool:
    return _phase(pod) in ("Succeeded", "Failed")


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return _phase(pod) == "Running" and any(
        c["type"] == "Ready" and c["status"] == "True" for c in conditions
    )


# --- what is made


def _check(session: Session, flags: Values, arguments: list[str]) -> None:
    hint = f"\nSee '{session.path} -h' for help and examples"
    if "image" not in flags.given:
        raise CliError('required flag(s) "image" not set')
    if not arguments or arguments[:1] == [""] or flags["--"] == 0:
        raise CliError(f"NAME is required for run{hint}")
    if not flags["image"]:
        raise CliError("--image is required")
    if not is_image_name(flags["image"]):
        raise CliError(f'Invalid image name "{flags["image"]}": {INVALID}')
    if flags["tty"] and not flags["stdin"]:
        raise CliError(f"-i/--stdin is required for containers with -t/--tty=true{hint}")
    if flags["expose"] and not flags["port"]:
        raise CliError(f"--port must be set when exposing a service{hint}")
    if flags["restart"] not in POLICIES:
        raise CliError(f"invalid restart policy: {flags['restart']}{hint}")
    if flags["rm"] and not flags["attach"]:
        raise CliError(f"--rm should only be used for attached containers{hint}")
    if flags["attach"] and dry_run.mode(flags) != "none":
        raise CliError(
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or --tty)"
            f"{hint}"
        )
    if flags["image-pull-policy"] not in ("", "Always", "IfNotPresent", "Never"):
        raise CliError(f"invalid image pull policy: {flags['image-pull-policy']}{hint}")


def manifest(flags: Values, arguments: list[str]) -> Object:
    name, words = arguments[0], arguments[1:]
    container: Object = {"name": name, "image": flags["image"], "resources": {}}
    if words:
        container["command" if flags["command"] else "args"] = words
    if flags["env"]:
        pairs = [text.partition("=") for text in flags["env"]]
        if any(not equals for _, equals, _ in pairs):
            raise CliError(f"invalid env: {flags['env'][0]}")
        container["env"] = [{"name": key, "value": value} for key, _, value in pairs]
    if flags["port"]:
        container["ports"] = [{"containerPort": flags["port"]}]
    if flags["image-pull-policy"]:
        container["imagePullPolicy"] = flags["image-pull-policy"]
    if flags["privileged"]:
        container["securityContext"] = {"privileged": True}
    if flags["stdin"]:
        container["stdin"] = True
        if not flags["leave-stdin-open"]:
            container["stdinOnce"] = True
    if flags["tty"]:
        container["tty"] = True
    metadata: Object = {"name": name, "labels": _labels(flags) or {"run": name}}
    if flags["annotations"]:
        metadata["annotations"] = dict(part.split("=", 1) for part in flags["annotations"])
    spec = {"containers": [container], "restartPolicy": flags["restart"], "dnsPolicy": "ClusterFirst"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {}}


def _labels(flags: Values) -> Object:
    return dict(part.split("=", 1) for part in flags["labels"].split(",")) if flags["labels"] else {}


def _service(flags: Values, name: str) -> Object:
    metadata: Object = {"name": name}
    if flags["labels"]:
        metadata["labels"] = _labels(flags)
    port = {"port": flags["port"], "protocol": "TCP", "targetPort": flags["port"]}
    spec = {"ports": [port], "selector": _labels(flags) or {"run": name}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec,
            "status": {"loadBalancer": {}}}  # fmt: skip


RUN = Command(
    run,
    (
        *CHANGE,
        SAVE,
        Flag("image", help="The image for the container to run."),
        Flag("image-pull-policy", help="Always, IfNotPresent or Never."),
        Flag("env", kind="repeat", help="NAME=value."),
        Flag("port", kind="int", help="The port that the container exposes."),
        Flag("labels", "l", help="Labels of the pod: a=b,c=d."),
        Flag("annotations", kind="repeat", help="key=value."),
        Flag("command", kind="bool", help="The words are the command, not its arguments."),
        Flag("restart", default="Always", help="Always, OnFailure or Never."),
        Flag("privileged", kind="bool", help="Run the container in privileged mode."),
        Flag("expose", kind="bool", help="Create a ClusterIP service for the pod, too; requires --port."),
        *OVERRIDES,
        Flag("stdin", "i", kind="bool", help="Keep standard input open on the container, and attach."),
        Flag("tty", "t", kind="bool", help="Allocate a terminal for the container."),
        Flag("attach", kind="bool", help="Wait for the pod and attach to it; so with -i."),
        Flag("rm", kind="bool", help="Delete the pod after it exits; only when attached."),
        Flag("leave-stdin-open", kind="bool", help="Leave standard input open after the first attach."),
        Flag("quiet", "q", kind="bool", help="Suppress prompt messages."),
        RUNNING_TIMEOUT,
    ),
    "NAME --image=image [--env=key=value] [--port=port] -- [COMMAND] [args...]",
    "Create and run a particular image in a pod.",
)
