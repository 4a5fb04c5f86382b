"""`autoscale`: a HorizontalPodAutoscaler for whatever has a scale subresource."""

import re
from typing import Any

from pinnace.cli.builder import Selection, each
from pinnace.cli.command import FILES, Command
from pinnace.cli.commands.create import CHANGE, SAVE, create_one, generated
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
_PLAIN_UNITS = {"cpu": "m", "memory": "Mi"}  # of a number without one


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    _check(flags)

    def scale(one: Selection, obj: Object) -> None:
        _check_scalable(session, one)
        create_one(
            session,
            flags,
            generated(session, flags, autoscaler(flags, one, obj)),
            done="created" if flags["dry-run"] == "client" else "autoscaled",
        )

    if not each(session, arguments, flags, scale):
        raise CliError("no objects passed to autoscale")
    return 0


def _check(flags: Values) -> None:
    least, most = flags["min"], flags["max"]
    if "max" not in flags.given:
        raise CliError('required flag(s) "max" not set')
    if most < 1:
        raise CliError(f"--max=MAXPODS is required and must be at least 1, max: {most}")
    if most < least:
        raise CliError(f"--max=MAXPODS must be larger or equal to --min=MINPODS, max: {most}, min: {least}")
    if flags["cpu"] and "cpu-percent" in flags.given:
        raise CliError(
            "if any flags in the group [cpu-percent cpu] are set none of the others can be; [cpu cpu-percent] were all set"
        )


def _check_scalable(session: Session, one: Selection) -> None:
    row = one.resource
    root = f"/apis/{row.group}/{row.version}" if row.group else f"/api/{row.version}"
    served = {entry["name"] for entry in session.http.get(root).get("resources") or ()}
    if f"{row.name}/scale" not in served:
        kind = f"{row.kind}.{row.group}".removesuffix(".")
        which = f"{row.group}/{row.version}, Resource={row.name}"
        raise CliError(
            f"cannot autoscale a {kind}: could not find scale subresource for {which} in discovery information"
        )


def autoscaler(flags: Values, one: Selection, obj: Object) -> Object:
    name = one.name or obj["metadata"]["name"]
    group = f"{one.resource.group}/" if one.resource.group else ""
    spec: Object = {
        "scaleTargetRef": {"apiVersion": f"{group}{one.resource.version}", "kind": one.resource.kind, "name": name},
        "maxReplicas": flags["max"],
    }  # fmt: skip
    if flags["min"] > 0:
        spec["minReplicas"] = flags["min"]
    metrics = [_metric(resource, flags[resource]) for resource in ("cpu", "memory") if flags[resource]]
    if flags["cpu-percent"] >= 0:
        metrics.append(_metric("cpu", f"{flags['cpu-percent']}%"))
    if metrics:
        spec["metrics"] = metrics
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": flags["name"] or name},
        "spec": spec,
    }


def _metric(resource: str, text: str) -> Object:
    """`70%` of the request, or an amount for each pod."""
    if text.endswith("%"):
        if not text[:-1].isdigit():
            raise CliError(f"invalid {resource} utilization: {text}")
        target: Object = {"type": "Utilization", "averageUtilization": int(text[:-1])}
    else:
        if not re.fullmatch(r"\d+(\.\d+)?[a-zA-Z]*", text):
            raise CliError(f"invalid {resource} amount: {text}")
        unit = _PLAIN_UNITS[resource] if text.replace(".", "", 1).isdigit() else ""
        target = {"type": "AverageValue", "averageValue": f"{text}{unit}"}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}


AUTOSCALE = Command(
    run,
    (
        *FILES,
        *CHANGE,
        SAVE,
        Flag("min", kind="int", default=-1, help="The lower limit for the number of pods."),
        Flag("max", kind="int", default=-1, help="The upper limit for the number of pods. Required."),
        Flag("cpu", help="The cpu that pods should use on average: 70% of the request, or 500m."),
        Flag("memory", help="The memory that pods should use on average: 70% of the request, or 200Mi."),
        Flag("cpu-percent", kind="int", default=-1, help="As --cpu=NUMBER%."),
        Flag("name", help="The name of the autoscaler (default: that of the resource)."),
    ),
    "(-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu=CPU] [--memory=MEMORY]",
    "Auto-scale a deployment, replica set, stateful set, or replication controller.",
)
