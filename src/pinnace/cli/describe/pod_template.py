"""Containers, volumes and pod templates: what pods and workloads have in common."""

from collections.abc import Callable
from typing import Any

from pinnace.cli.ages import rfc1123
from pinnace.cli.describe.volumes import write_volumes
from pinnace.cli.describe.writer import Writer, boolean
from pinnace.cli.selectors_text import of_label_selector

Object = dict[str, Any]
Resolve = Callable[[Object, Object], str]  # (container, environment variable) -> its value


def pod_template_text(template: Object, writer: Writer) -> None:
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    writer.line("Pod Template:")
    writer.labels("  Labels", metadata.get("labels"))
    if metadata.get("annotations"):
        writer.annotations("  Annotations", metadata["annotations"])
    if spec.get("serviceAccountName"):
        writer.line(f"  Service Account:\t{spec['serviceAccountName']}")
    if spec.get("initContainers"):
        write_containers(writer, "Init Containers", spec["initContainers"], indent="  ")
    write_containers(writer, "Containers", spec.get("containers") or [], indent="  ")
    write_volumes(writer, spec.get("volumes") or [], indent="  ")
    write_spread(writer, spec.get("topologySpreadConstraints") or [], indent="  ")
    if spec.get("priorityClassName"):
        writer.line(f"  Priority Class Name:\t{spec['priorityClassName']}")
    writer.labels("  Node-Selectors", spec.get("nodeSelector"))
    writer.tolerations("  Tolerations", spec.get("tolerations"))


def write_spread(writer: Writer, constraints: list[Object], *, indent: str = "") -> None:
    if not constraints:
        return
    shown = []
    for one in sorted(constraints, key=lambda c: str(c["topologyKey"])):
        text = f"{one['topologyKey']}:{one['whenUnsatisfiable']} when max skew {one['maxSkew']} is exceeded"
        if one.get("labelSelector") is not None:
            text += f" for selector {of_label_selector(one['labelSelector'])}"
        shown.append(text)
    for at, text in enumerate(shown):
        writer.line(f"{indent}Topology Spread Constraints:\t{text}" if at == 0 else f"{indent}\t{text}")


def write_containers(
    writer: Writer, title: str, containers: list[Object], statuses: list[Object] | None = None, *,
    resolve: Resolve | None = None, indent: str = "",
) -> None:  # fmt: skip
    by_name = {status["name"]: status for status in statuses or ()}
    writer.line(f"{indent}{title}:" if containers else f"{indent}{title}: <none>")
    for container in containers:
        _write_container(writer, container, by_name.get(container["name"]), resolve, " " if indent else "")


def _write_container(
    writer: Writer, container: Object, status: Object | None, resolve: Resolve | None, indent: str
) -> None:
    writer.line(f"{indent}{container['name']}:", 1)
    if status is not None:
        writer.line(f"Container ID:\t{status.get('containerID', '')}", 2)
    writer.line(f"Image:\t{container.get('image', '')}", 2)
    if status is not None:
        writer.line(f"Image ID:\t{status.get('imageID', '')}", 2)
    _ports(writer, "Port", container, "containerPort")
    _ports(writer, "Host Port", container, "hostPort")
    profile = (container.get("securityContext") or {}).get("seccompProfile")
    if profile:
        writer.line(f"SeccompProfile:\t{profile['type']}", 2)
        if profile["type"] == "Localhost":
            writer.line(f"LocalhostProfile:\t{profile.get('localhostProfile', '')}", 3)
    for part, title in (("command", "Command"), ("args", "Args")):
        if container.get(part):
            writer.line(f"{title}:", 2)
            for word in container[part]:
                for line in word.split("\n"):
                    writer.line(line, 3)
    if status is not None:
        _state(writer, status)
    write_resources(writer, container.get("resources") or {}, 2)
    for part, title in (
        ("livenessProbe", "Liveness"),
        ("readinessProbe", "Readiness"),
        ("startupProbe", "Startup"),
    ):
        if container.get(part):
            writer.line(f"{title}:\t{_probe(container[part])}", 2)
    _environment(writer, container, resolve)
    _mounts(writer, container)


def _ports(writer: Writer, title: str, container: Object, field: str) -> None:
    shown = []
    for port in container.get("ports") or ():
        shown.append(f"{port.get(field, 0)}/{port.get('protocol', 'TCP')}")
    plural = "s" if len(shown) > 1 else ""
    writer.line(f"{title}{plural}:\t{', '.join(shown) or '<none>'}", 2)


def _state(writer: Writer, status: Object) -> None:
    _one_state(writer, "State", status.get("state") or {})
    if (status.get("lastState") or {}).get("terminated"):
        _one_state(writer, "Last State", status["lastState"])
    writer.line(f"Ready:\t{boolean(status.get('ready'))}", 2)
    writer.line(f"Restart Count:\t{status.get('restartCount', 0)}", 2)


def _one_state(writer: Writer, title: str, state: Object) -> None:
    if state.get("running") is not None:
        writer.line(f"{title}:\tRunning", 2)
        writer.line(f"Started:\t{rfc1123(state['running'].get('startedAt'))}", 3)
    elif state.get("terminated") is not None:
        ended = state["terminated"]
        writer.line(f"{title}:\tTerminated", 2)
        for part in ("reason", "message"):
            if ended.get(part):
                writer.line(f"{part.capitalize()}:\t{ended[part]}", 3)
        writer.line(f"Exit Code:\t{ended.get('exitCode', 0)}", 3)
        if ended.get("signal"):
            writer.line(f"Signal:\t{ended['signal']}", 3)
        writer.line(f"Started:\t{rfc1123(ended.get('startedAt'))}", 3)
        writer.line(f"Finished:\t{rfc1123(ended.get('finishedAt'))}", 3)
    else:
        writer.line(f"{title}:\tWaiting", 2)
        if (state.get("waiting") or {}).get("reason"):
            writer.line(f"Reason:\t{state['waiting']['reason']}", 3)


def write_resources(writer: Writer, resources: Object, level: int) -> None:
    for part in ("limits", "requests"):
        amounts = resources.get(part) or {}
        if amounts:
            writer.line(f"{part.capitalize()}:", level)
        for name in sorted(amounts):
            writer.line(f"{name}:\t{amounts[name]}", level + 1)


def _probe(probe: Object) -> str:
    timing = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s #success={probe.get('successThreshold', 1)} "
        f"#failure={probe.get('failureThreshold', 3)}"
    )
    if probe.get("exec"):
        return f"exec [{' '.join(probe['exec'].get('command') or ())}] {timing}"
    if probe.get("httpGet"):
        get = probe["httpGet"]
        path = get.get("path", "")
        if path and not path.startswith("/"):
            path = f"/{path}"
        return f"http-get {get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get['port']}{path} {timing}"
    if probe.get("tcpSocket"):
        return f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket']['port']} {timing}"
    if probe.get("grpc"):
        return f"grpc <pod>:{probe['grpc']['port']} {probe['grpc'].get('service', '')} {timing}"
    return f"unknown {timing}"


def _environment(writer: Writer, container: Object, resolve: Resolve | None) -> None:
    if container.get("envFrom"):
        writer.line("Environment Variables from:", 2)
    for source in container.get("envFrom") or ():
        kind, body = (
            ("ConfigMap", source["configMapRef"])
            if source.get("configMapRef")
            else ("Secret", source["secretRef"])
        )
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        writer.line(f"{body['name']}\t{kind}{prefix}\tOptional: {_flag(body)}", 3)
    variables = container.get("env") or ()
    writer.line("Environment:" if variables else "Environment:\t<none>", 2)
    for variable in variables:
        _variable(writer, container, variable, resolve)


def _variable(writer: Writer, container: Object, variable: Object, resolve: Resolve | None) -> None:
    name, source = variable["name"], variable.get("valueFrom")
    if not source:
        for at, line in enumerate(variable.get("value", "").split("\n")):
            writer.line(f"{name}:\t{line}" if at == 0 else f"\t{line}", 3)
        return
    value = resolve(container, variable) if resolve is not None else ""
    if source.get("fieldRef"):
        reference = source["fieldRef"]
        writer.line(f"{name}:\t{value} ({reference.get('apiVersion', 'v1')}:{reference['fieldPath']})", 3)
    elif source.get("resourceFieldRef"):
        writer.line(f"{name}:\t{value} ({source['resourceFieldRef']['resource']})", 3)
    elif source.get("secretKeyRef"):
        body = source["secretKeyRef"]
        writer.line(
            f"{name}:\t<set to the key '{body['key']}' in secret '{body['name']}'>\tOptional: {_flag(body)}",
            3,
        )
    elif source.get("configMapKeyRef"):
        body = source["configMapKeyRef"]
        writer.line(
            f"{name}:\t<set to the key '{body['key']}' of config map '{body['name']}'>\tOptional: {_flag(body)}",
            3,
        )


def _flag(body: Object) -> str:
    return "true" if body.get("optional") else "false"


def _mounts(writer: Writer, container: Object) -> None:
    mounts = sorted(container.get("volumeMounts") or (), key=lambda mount: str(mount["mountPath"]))
    writer.line("Mounts:" if mounts else "Mounts:\t<none>", 2)
    for mount in mounts:
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f'path="{mount["subPath"]}"')
        writer.line(f"{mount['mountPath']} from {mount['name']} ({','.join(flags)})", 3)
    devices = sorted(container.get("volumeDevices") or (), key=lambda device: str(device["devicePath"]))
    if devices:
        writer.line("Devices:", 2)
    for device in devices:
        writer.line(f"{device['devicePath']} from {device['name']}", 3)
