"""Ingresses that nobody serves, or whose services, ports and certificates are not there."""

from collections.abc import Iterator, Sequence

from pinnace.api import meta
from pinnace.insight.commands import patch
from pinnace.insight.findings import (
    LIKELY,
    Finding,
    Object,
    field,
    finding,
    in_namespace,
    ready_to_type,
    word,
)
from pinnace.insight.links import backends
from pinnace.insight.tls_secrets import certificate_problem
from pinnace.insight.world import World

_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_OLD = "kubernetes.io/ingress.class"


def ingress_class(ingress: Object, world: World) -> Iterator[Finding]:
    name = ingress["spec"].get("ingressClassName")
    if meta.annotations(ingress).get(_OLD) or not world.can_list("IngressClass"):
        return
    classes = world.every("IngressClass")
    have = ", ".join(sorted(meta.name(one) for one in classes)) or "none"
    if name and not any(meta.name(one) == name for one in classes):
        yield finding(
            ingress, f"there is no ingress class {name}, so no controller serves it; the cluster has: {have}",
            evidence=[field(ingress, "spec.ingressClassName", name)], commands=[*_take_class(ingress, classes), ready_to_type("edit", ingress), "kubectl get ingressclasses"],
        )  # fmt: skip
    elif not name and not any(meta.annotations(one).get(_DEFAULT) == "true" for one in classes):
        yield finding(
            ingress, f"it names no ingress class, and none is the default; the cluster has: {have}", rank=LIKELY,
            evidence=[field(ingress, "spec.ingressClassName", None)], commands=[*_take_class(ingress, classes), ready_to_type("edit", ingress), "kubectl get ingressclasses"],
        )  # fmt: skip
    elif not ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress"):
        yield finding(
            ingress, "no controller has given it an address: is the controller of its class running?", rank=LIKELY - 10,
            evidence=[field(ingress, "status.loadBalancer.ingress", None)], commands=[ready_to_type("describe", ingress)],
        )  # fmt: skip


def _take_class(ingress: Object, classes: list[Object]) -> list[str]:
    """The only one that there is."""
    return (
        [patch(ingress, {"spec": {"ingressClassName": meta.name(classes[0])}})] if len(classes) == 1 else []
    )


def backend(ingress: Object, world: World) -> Iterator[Finding]:
    namespace = meta.namespace(ingress)
    for path, one in backends(ingress):
        wanted = one.get("service")
        if not wanted:
            continue
        name, port = wanted["name"], wanted.get("port") or {}
        service = world.get("Service", namespace, name)
        if service is None:
            if world.is_missing("Service", namespace, name):
                yield finding(
                    ingress, f"service {name}, to which it leads, is not there: requests are answered with 503 or 404",
                    evidence=[field(ingress, f"{path}.service.name", name)],
                    commands=[ready_to_type("edit", ingress), f"kubectl get services{in_namespace(ingress)}"],
                )  # fmt: skip
            continue
        ports = service["spec"].get("ports") or ()
        if not any(
            port.get("number") == has.get("port")
            if port.get("number")
            else port.get("name") == has.get("name")
            for has in ports
        ):
            have = ", ".join(f"{has.get('name') or '(no name)'}={has['port']}" for has in ports)
            yield finding(
                ingress, f"service {name} has no port {port.get('number') or port.get('name')}; it has {have}",
                evidence=[field(ingress, f"{path}.service.port", port), field(service, "spec.ports", have)],
                commands=[*_take_port(ingress, path, ports), ready_to_type("edit", ingress)],
            )  # fmt: skip


def _take_port(ingress: Object, path: str, ports: Sequence[Object]) -> list[str]:
    """The only one that the service has."""
    pointer = "/" + path.replace("[", "/").replace("]", "").replace(".", "/") + "/service/port"
    change = [{"op": "replace", "path": pointer, "value": {"number": ports[0]["port"]}}] if ports else []
    return [patch(ingress, change, "json")] if len(ports) == 1 else []


def conflict(ingress: Object, world: World) -> Iterator[Finding]:
    """The same host and path twice: controllers let the older one win."""
    mine = set(_places(ingress))
    for other in world.every("Ingress"):
        if (
            meta.key(other) == meta.key(ingress)
            or _class(other) != _class(ingress)
            or _age_key(other) >= _age_key(ingress)
        ):
            continue
        for host, path, kind in sorted(mine & set(_places(other))):
            yield finding(
                ingress, f"{host or 'any host'}{path} belongs to the older ingress {meta.key_text(other)}: requests go there", rank=LIKELY,
                evidence=[field(ingress, "spec.rules", f"{host}{path} ({kind})"), field(other, "metadata.creationTimestamp", other["metadata"].get("creationTimestamp"))],
                commands=[ready_to_type("edit", ingress), ready_to_type("describe", other)],
            )  # fmt: skip


def _places(ingress: Object) -> Iterator[tuple[str, str, str]]:
    for rule in ingress["spec"].get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            yield rule.get("host") or "", path.get("path") or "/", path.get("pathType") or ""


def _class(ingress: Object) -> str:
    return ingress["spec"].get("ingressClassName") or meta.annotations(ingress).get(_OLD, "")


def _age_key(ingress: Object) -> tuple[str, str]:
    return ingress["metadata"].get("creationTimestamp", ""), meta.key_text(ingress)


def certificate(ingress: Object, world: World) -> Iterator[Finding]:
    namespace = meta.namespace(ingress)
    for i, entry in enumerate(ingress["spec"].get("tls") or ()):
        name = entry.get("secretName")
        if not name:
            continue
        secret = world.get("Secret", namespace, name)
        where = field(ingress, f"spec.tls[{i}].secretName", name)
        create = f"kubectl create secret tls {word(name)} --cert=YOUR_CERTIFICATE --key=YOUR_KEY{in_namespace(ingress)}"
        if secret is None and world.is_missing("Secret", namespace, name):
            yield finding(
                ingress,
                f"secret {name} with its certificate is not there",
                evidence=[where],
                commands=[create],
            )
        elif secret is not None and not {"tls.crt", "tls.key"} <= set(secret.get("data") or {}):
            yield finding(
                ingress, f"secret {name} is not a certificate: it lacks tls.crt or tls.key",
                evidence=[where, field(secret, "data (keys)", sorted(secret.get("data") or {}))],
                commands=[f"kubectl delete secret {word(name)}{in_namespace(ingress)}", create],  # its type cannot be changed
            )  # fmt: skip
        elif secret is not None and (
            problem := certificate_problem(secret, entry.get("hosts") or [], world.now)
        ):
            yield finding(
                ingress, f"the certificate in secret {name} {problem}", evidence=[where, field(ingress, f"spec.tls[{i}].hosts", entry.get("hosts"))],
                commands=[f"{create} --dry-run=client -o yaml | kubectl apply -f -"],
            )  # fmt: skip
