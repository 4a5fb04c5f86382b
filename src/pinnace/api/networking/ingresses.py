"""Ingresses: rules from hosts and paths to services."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_SUFFIXES = ("/..", "/.")


class IngressStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        obj.setdefault("spec", {})
        obj.setdefault("status", {}).setdefault("loadBalancer", {})

    def prepare_create(self, obj: Object) -> None:
        super().prepare_create(obj)
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj) + list(_validate_spec(obj["spec"]))
        annotations = obj["metadata"].get("annotations") or {}
        if obj["spec"].get("ingressClassName") and CLASS_ANNOTATION in annotations:
            why = "can not be set when the class field is also set"
            path = f"metadata.annotations.{CLASS_ANNOTATION}"
            found.append(fields.invalid(path, annotations[CLASS_ANNOTATION], why))
        return found

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate_spec(new["spec"]))

    def warnings(self, obj: Object) -> list[str]:
        found = super().warnings(obj)
        if CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {}):
            found.append(
                f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"
            )
        return found


def _validate_spec(spec: Mapping[str, Any]) -> Iterator[Cause]:
    backend, rules = spec.get("defaultBackend"), spec.get("rules") or ()
    if not rules and backend is None:
        yield fields.invalid("spec", spec, "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _validate_backend(backend, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        yield from _validate_rule(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.get("tls") or ()):
        for number, host in enumerate(tls.get("hosts") or ()):
            check = names.wildcard_subdomain if "*" in host else names.dns_subdomain
            yield from fields.all_invalid(f"spec.tls[{index}].hosts[{number}]", host, check(host))
        if secret := tls.get("secretName"):
            yield from fields.all_invalid(
                f"spec.tls[{index}].secretName", secret, names.dns_subdomain(secret)
            )
    if class_name := spec.get("ingressClassName"):
        yield from fields.all_invalid("spec.ingressClassName", class_name, names.dns_subdomain(class_name))


def _validate_rule(rule: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if host := rule.get("host"):
        if not names.ip_address(host):
            yield fields.invalid(f"{path}.host", host, "must be a DNS name, not an IP address")
        else:
            check = names.wildcard_subdomain if "*" in host else names.dns_subdomain
            yield from fields.all_invalid(f"{path}.host", host, check(host))
    http = rule.get("http")
    if http is None:
        return
    if not http.get("paths"):
        yield fields.required(f"{path}.http.paths")
    for index, entry in enumerate(http.get("paths") or ()):
        yield from _validate_path(entry, f"{path}.http.paths[{index}]")


def _validate_path(entry: Mapping[str, Any], path: str) -> Iterator[Cause]:
    kind, value = entry.get("pathType"), entry.get("path") or ""
    if kind is None:
        yield fields.required(f"{path}.pathType", "pathType must be specified")
    elif kind in ("Exact", "Prefix"):
        if not value.startswith("/"):
            yield fields.invalid(f"{path}.path", value, "must be an absolute path")
        for part in _BAD_SEQUENCES:
            if part in value:
                yield fields.invalid(f"{path}.path", value, f"must not contain '{part}'")
        for suffix in _BAD_SUFFIXES:
            if value.endswith(suffix):
                yield fields.invalid(f"{path}.path", value, f"cannot end with '{suffix}'")
    elif kind == "ImplementationSpecific":
        if value and not value.startswith("/"):
            yield fields.invalid(f"{path}.path", value, "must be an absolute path")
    else:
        yield fields.not_supported(f"{path}.pathType", kind, PATH_TYPES)
    yield from _validate_backend(entry.get("backend") or {}, f"{path}.backend")


def _validate_backend(backend: Mapping[str, Any], path: str) -> Iterator[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield fields.invalid(path, backend, "cannot set both resource and service backends")
    elif resource is not None:
        for field in ("kind", "name"):
            if not resource.get(field):
                yield fields.required(f"{path}.resource.{field}")
    elif service is not None:
        yield from _validate_service(service, f"{path}.service")
    else:
        yield fields.required(path, "cannot have empty backend; must specify service or resource")


def _validate_service(service: Mapping[str, Any], path: str) -> Iterator[Cause]:
    name, port = service.get("name") or "", service.get("port") or {}
    if not name:
        yield fields.required(f"{path}.name")
    else:
        yield from fields.all_invalid(f"{path}.name", name, names.dns_1035_label(name))
    if port.get("name") and port.get("number"):
        yield fields.invalid(f"{path}.port", port, "cannot set both port name & port number")
    elif port.get("name"):
        yield from fields.all_invalid(f"{path}.port.name", port["name"], names.port_name(port["name"]))
    elif port.get("number") is not None:
        yield from fields.all_invalid(
            f"{path}.port.number", port["number"], names.port_number(port["number"])
        )
    else:
        yield fields.required(f"{path}.port", "port name or number is required")
