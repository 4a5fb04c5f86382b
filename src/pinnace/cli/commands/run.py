"""`run`: one pod from an image. Left out: attaching to it (`-i`, `-t`, `--rm`) and exposing it."""

from typing import Any

from pinnace.cli.command import Command
from pinnace.cli.commands.create import CHANGE, SAVE, create_one, generated
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
POLICIES = ("Always", "OnFailure", "Never")


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if not arguments or arguments[:1] == [""] or flags["--"] == 0:
        raise CliError(f"NAME is required for run\nSee '{session.path} -h' for help and examples")
    if not flags["image"]:
        raise CliError('required flag(s) "image" not set')
    if flags["restart"] not in POLICIES:
        raise CliError(
            f"invalid restart policy: {flags['restart']}\nSee '{session.path} -h' for help and examples"
        )
    create_one(session, flags, generated(session, flags, manifest(flags, arguments)))
    return 0


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
    labels = (
        dict(part.split("=", 1) for part in flags["labels"].split(",")) if flags["labels"] else {"run": name}
    )
    metadata: Object = {"name": name, "labels": labels}
    if flags["annotations"]:
        metadata["annotations"] = dict(part.split("=", 1) for part in flags["annotations"])
    spec = {"containers": [container], "restartPolicy": flags["restart"], "dnsPolicy": "ClusterFirst"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {}}


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
    ),
    "NAME --image=image [--env=key=value] [--port=port] -- [COMMAND] [args...]",
    "Create and run a particular image in a pod.",
)
