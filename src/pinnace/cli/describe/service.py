"""describe service and ingress."""

from typing import Any

from pinnace.cli.describe.events import events_of, write_events
from pinnace.cli.describe.writer import Writer
from pinnace.cli.errors import ServerError
from pinnace.cli.selectors_text import of_map
from pinnace.cli.session import Session

Object = dict[str, Any]


def describe(session: Session, service: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec = service["metadata"], service["spec"]
    writer.line(f"Name:\t{metadata['name']}")
    writer.line(f"Namespace:\t{metadata['namespace']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.annotations("Annotations", metadata.get("annotations"))
    writer.line(f"Selector:\t{of_map(spec.get('selector'))}")
    writer.line(f"Type:\t{spec.get('type', '')}")
    if spec.get("ipFamilyPolicy"):
        writer.line(f"IP Family Policy:\t{spec['ipFamilyPolicy']}")
    writer.line(f"IP Families:\t{','.join(spec.get('ipFamilies') or ()) or '<none>'}")
    writer.line(f"IP:\t{spec.get('clusterIP', '')}")
    writer.line(f"IPs:\t{','.join(spec.get('clusterIPs') or ()) or '<none>'}")
    if spec.get("externalIPs"):
        writer.line(f"External IPs:\t{','.join(spec['externalIPs'])}")
    if spec.get("loadBalancerIP"):
        writer.line(f"Desired LoadBalancer IP:\t{spec['loadBalancerIP']}")
    if spec.get("externalName"):
        writer.line(f"External Name:\t{spec['externalName']}")
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    if ingress:
        writer.line(f"LoadBalancer Ingress:\t{', '.join(_address(entry) for entry in ingress)}")
    slices = _slices(session, metadata["namespace"], metadata["name"])
    for port in spec.get("ports") or ():
        _port(writer, port, slices)
    writer.line(f"Session Affinity:\t{spec.get('sessionAffinity', '')}")
    for field, title in (
        ("externalTrafficPolicy", "External Traffic Policy"),
        ("internalTrafficPolicy", "Internal Traffic Policy"),
        ("trafficDistribution", "Traffic Distribution"),
        ("healthCheckNodePort", "HealthCheck NodePort"),
    ):
        if spec.get(field):
            writer.line(f"{title}:\t{spec[field]}")
    if spec.get("loadBalancerSourceRanges"):
        writer.line(f"LoadBalancer Source Ranges:\t{','.join(spec['loadBalancerSourceRanges'])}")
    if show_events:
        write_events(writer, events_of(session, service))


def _address(entry: Object) -> str:
    mode = f" ({entry['ipMode']})" if entry.get("ipMode") else ""
    return f"{entry['ip']}{mode}" if entry.get("ip") else str(entry.get("hostname", ""))


def _port(writer: Writer, port: Object, slices: list[Object]) -> None:
    name, protocol = port.get("name") or "<unset>", port.get("protocol", "TCP")
    writer.line(f"Port:\t{name}\t{port['port']}/{protocol}")
    writer.line(f"TargetPort:\t{port.get('targetPort', port['port'])}/{protocol}")
    if port.get("nodePort"):
        writer.line(f"NodePort:\t{name}\t{port['nodePort']}/{protocol}")
    writer.line(f"Endpoints:\t{endpoints(slices, port.get('name') or '')}")


def _slices(session: Session, namespace: str, service: str) -> list[Object]:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    try:
        items: list[Object] = (
            session.http.get(path, {"labelSelector": f"kubernetes.io/service-name={service}"}).get("items")
            or []
        )
    except ServerError:
        return []
    return items


def endpoints(slices: list[Object], port_name: str) -> str:
    """`10.42.0.1:80,10.42.0.2:80`, three at most, of one port."""
    if not slices:
        return "<none>"
    found = []
    for one in slices:
        for port in one.get("ports") or ():
            if port.get("port") is None or (port_name and port.get("name") != port_name):
                continue
            for endpoint in one.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready", True) is False:
                    continue
                host = endpoint["addresses"][0]
                found.append(f"[{host}]:{port['port']}" if ":" in host else f"{host}:{port['port']}")
    shown = ",".join(found[:3])
    return f"{shown} + {len(found) - 3} more..." if len(found) > 3 else shown


def describe_ingress(session: Session, ingress: Object, writer: Writer, *, show_events: bool = True) -> None:
    metadata, spec = ingress["metadata"], ingress["spec"]
    namespace = metadata["namespace"]
    addresses = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    writer.line(f"Name:\t{metadata['name']}")
    writer.labels("Labels", metadata.get("labels"))
    writer.line(f"Namespace:\t{namespace}")
    writer.line(f"Address:\t{','.join(a.get('ip') or a.get('hostname', '') for a in addresses)}")
    writer.line(f"Ingress Class:\t{spec.get('ingressClassName') or '<none>'}")
    default = spec.get("defaultBackend")
    writer.line(f"Default backend:\t{_backend(session, namespace, default) if default else '<default>'}")
    if spec.get("tls"):
        writer.line("TLS:")
    for tls in spec.get("tls") or ():
        hosts = ",".join(tls.get("hosts") or ())
        secret = tls.get("secretName")
        writer.line(f"{secret} terminates {hosts}" if secret else f"SNI routes {hosts}", 1)
    writer.line("Rules:")
    writer.line("Host\tPath\tBackends", 1)
    writer.line("----\t----\t--------", 1)
    for rule in spec.get("rules") or ():
        paths = (rule.get("http") or {}).get("paths") or ()
        if not rule.get("http"):
            continue
        writer.line(f"{rule.get('host') or '*'}\t", 1)
        for path in paths:
            writer.line(f"\t{path.get('path', '')} \t{_backend(session, namespace, path['backend'])}", 2)
    if not any(rule.get("http") for rule in spec.get("rules") or ()):
        writer.line(f"*\t*\t{_backend(session, namespace, default) if default else '<default>'}", 1)
    writer.annotations("Annotations", metadata.get("annotations"))
    if show_events:
        write_events(writer, events_of(session, ingress))


def _backend(session: Session, namespace: str, backend: Object) -> str:
    """`web:80 (10.42.0.1:80)`."""
    if not backend.get("service"):
        resource = backend["resource"]
        return f"APIGroup: {resource.get('apiGroup', '<none>')}, Kind: {resource['kind']}, Name: {resource['name']}"
    name, port = backend["service"]["name"], backend["service"].get("port") or {}
    wanted = port.get("name") or port.get("number", "")
    try:
        service = session.http.get(f"/api/v1/namespaces/{namespace}/services/{name}")
    except ServerError as error:
        return f"{name}:{wanted} (<error: {error}>)"
    port_name = ""
    for entry in service["spec"].get("ports") or ():
        if wanted in (entry.get("name"), entry["port"]):
            port_name = entry.get("name") or ""
    return f"{name}:{wanted} ({endpoints(_slices(session, namespace, name), port_name)})"
