"""`expose`: a Service for a deployment, replica set, pod or another service."""

from typing import Any

from pinnace.cli.builder import Selection, each
from pinnace.cli.command import FILES, Command
from pinnace.cli.commands.create import CHANGE, SAVE, create_one, generated
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.overrides import OVERRIDES, overridden
from pinnace.cli.session import Session

Object = dict[str, Any]
EXPOSABLE = (
    "pods",
    "services",
    "replicationcontrollers",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
)


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    def expose(one: Selection, obj: Object) -> None:
        if one.resource.qualified not in EXPOSABLE:
            raise CliError(f"cannot expose a {one.resource.kind}.{one.resource.group}".removesuffix("."))
        service = overridden(flags, _service(flags, one.resource.qualified, obj))
        create_one(session, flags, generated(session, flags, service), done="exposed")

    each(session, arguments, _without_selector(flags), expose)
    return 0


def _without_selector(flags: Values) -> Values:
    """To find objects with: the selector is the service's."""
    found = Values(())
    found.update(flags)
    found["selector"] = ""
    return found


def _service(flags: Values, qualified: str, obj: Object) -> Object:
    metadata = obj["metadata"]
    spec: Object = {"selector": _selector(flags, qualified, obj), "ports": _ports(flags, obj)}
    for flag, field in (("type", "type"), ("cluster-ip", "clusterIP"), ("session-affinity", "sessionAffinity"),
                        ("load-balancer-ip", "loadBalancerIP")):  # fmt: skip
        if flags[flag]:
            spec[field] = flags[flag]
    if flags["external-ip"]:
        spec["externalIPs"] = [flags["external-ip"]]
    labels = _pairs(flags["labels"]) if flags["labels"] else metadata.get("labels") or {}
    made: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": flags["name"] or metadata["name"]},
        "spec": spec,
        "status": {"loadBalancer": {}},
    }
    if labels:
        made["metadata"]["labels"] = labels
    return made


def _selector(flags: Values, qualified: str, obj: Object) -> Object:
    if flags["selector"]:
        return _pairs(flags["selector"])
    if qualified == "pods":
        found = obj["metadata"].get("labels")
    elif qualified in ("services", "replicationcontrollers"):
        found = obj["spec"].get("selector")
    else:
        selector = obj["spec"].get("selector") or {}
        if selector.get("matchExpressions"):
            raise CliError("couldn't retrieve selectors via --selector flag or introspection: couldn't convert expressions "
                           f'- "{_as_go(selector["matchExpressions"])}" to map-based selector format')  # fmt: skip
        found = selector.get("matchLabels")
    if not found:
        raise CliError(
            "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be exposed"
        )
    return dict(found)


def _as_go(expressions: list[Object]) -> str:
    shown = (
        f"{{Key:{one['key']} Operator:{one['operator']} Values:[{' '.join(one.get('values') or ())}]}}"
        for one in expressions
    )
    return f"[{' '.join(shown)}]"


def _pairs(text: str) -> Object:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _ports(flags: Values, obj: Object) -> list[Object]:
    given = flags["port"].split(",") if flags["port"] else []
    protocols: dict[str, str] = {}
    if not given:
        for spec in (obj["spec"], (obj["spec"].get("template") or {}).get("spec") or {}):
            for container in spec.get("containers") or ():
                for port in container.get("ports") or ():
                    given.append(str(port["containerPort"]))
                    protocols[given[-1]] = port.get("protocol", "TCP")
            for port in spec.get("ports") or ():
                given.append(str(port["port"]))
    if not given:
        raise CliError("couldn't find port via --port flag or introspection")
    made = []
    for at, number in enumerate(given):
        if not number.isdigit():
            raise CliError(
                f'couldn\'t find port via --port flag or introspection: strconv.Atoi: parsing "{number}": invalid syntax'
            )
        target = flags["target-port"] or number
        made_port: Object = {
            "port": int(number), "protocol": flags["protocol"] or protocols.get(number, "TCP"),
            "targetPort": int(target) if target.isdigit() else target,
        }  # fmt: skip
        made.append({"name": f"port-{at + 1}", **made_port} if len(given) > 1 else made_port)
    return made


EXPOSE = Command(
    run,
    (
        *FILES,
        *CHANGE,
        SAVE,
        *OVERRIDES,
        Flag("port", help="The port that the service serves on."),
        Flag("target-port", help="Name or number of the port of the container."),
        Flag("protocol", help="TCP, UDP or SCTP."),
        Flag("type", help="ClusterIP, NodePort, LoadBalancer, or ExternalName."),
        Flag("name", help="The name of the service."),
        Flag("selector", help="The labels to select pods by."),
        Flag("labels", "l", help="Labels of the service."),
        Flag("external-ip", help="An external address."),
        Flag("cluster-ip", help='The ClusterIP, or "None".'),
        Flag("load-balancer-ip", help="The load balancer's address."),
        Flag("session-affinity", help="None or ClientIP."),
    ),
    "(-f FILENAME | TYPE NAME) [--port=port] [--target-port=port]",
    "Expose a resource as a new Kubernetes service.",
)
