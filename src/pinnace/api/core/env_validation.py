"""Validation of environment variables and of references to a pod's own fields and resources."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
FILE_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
_SUBSCRIPT = re.compile(r"^(metadata\.(?:annotations|labels))\['(.*)'\]$")
_KNOWN_FIELDS = frozenset((*ENV_FIELDS, *FILE_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase", "status.message", "status.reason"))  # fmt: skip


def validate_env(env: Sequence[Mapping[str, Any]], path: str) -> Found:
    for index, entry in enumerate(env):
        name, source = entry.get("name") or "", entry.get("valueFrom")
        here = f"{path}[{index}]"
        if not name:
            yield fields.required(f"{here}.name")
        elif messages := names.env_name(name):
            yield from fields.all_invalid(f"{here}.name", name, messages)
        if source is not None:
            yield from _validate_source(source, entry, f"{here}.valueFrom")


def _validate_source(source: Mapping[str, Any], entry: Mapping[str, Any], path: str) -> Found:
    chosen = [name for name in _SOURCES if source.get(name) is not None]
    if (field := source.get("fieldRef")) is not None:
        yield from validate_field_ref(field, ENV_FIELDS, f"{path}.fieldRef")
    if (resource := source.get("resourceFieldRef")) is not None:
        yield from validate_resource_field_ref(resource, f"{path}.resourceFieldRef", in_volume=False)
    for name in ("configMapKeyRef", "secretKeyRef"):
        if (selector := source.get(name)) is not None:
            yield from _validate_key_selector(selector, f"{path}.{name}")
    if not chosen:
        why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        yield fields.invalid(path, "", why)
    elif entry.get("value"):
        yield fields.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(chosen) > 1:
        yield fields.invalid(path, "", "may not have more than one field specified at a time")


def _validate_key_selector(selector: Mapping[str, Any], path: str) -> Found:
    if not selector.get("name"):
        yield fields.required(f"{path}.name")
    key = selector.get("key") or ""
    if not key:
        yield fields.required(f"{path}.key")
    else:
        yield from fields.all_invalid(f"{path}.key", key, names.config_key(key))


def validate_env_from(sources: Sequence[Mapping[str, Any]], path: str) -> Found:
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        if prefix := source.get("prefix"):
            yield from fields.all_invalid(f"{here}.prefix", prefix, names.env_name(prefix))
        chosen = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in chosen:
            if not source[name].get("name"):
                yield fields.required(f"{here}.{name}.name")
        if not chosen:
            yield fields.invalid(here, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(chosen) > 1:
            yield fields.invalid(here, "", "may not have more than one field specified at a time")


def validate_field_ref(reference: Mapping[str, Any], supported: Sequence[str], path: str) -> Found:
    text = reference.get("fieldPath") or ""
    if not reference.get("apiVersion"):
        yield fields.required(f"{path}.apiVersion")
    elif not text:
        yield fields.required(f"{path}.fieldPath")
    elif subscript := _SUBSCRIPT.match(text):
        key = subscript[2].lower() if subscript[1] == "metadata.annotations" else subscript[2]
        yield from fields.all_invalid(f"{path}.fieldPath", subscript[2], names.qualified_name(key))
    elif text not in _KNOWN_FIELDS:
        why = f"error converting fieldPath: field label not supported: {text}"
        yield fields.invalid(f"{path}.fieldPath", text, why)
    elif text not in supported:
        yield fields.not_supported(f"{path}.fieldPath", text, sorted(supported))


def validate_resource_field_ref(reference: Mapping[str, Any], path: str, *, in_volume: bool) -> Found:
    resource = reference.get("resource") or ""
    if in_volume and not reference.get("containerName"):
        yield fields.required(f"{path}.containerName")
    elif not resource:
        yield fields.required(f"{path}.resource")
    elif resource not in RESOURCES and not resource.startswith(("limits.hugepages-", "requests.hugepages-")):
        yield fields.not_supported(f"{path}.resource", resource, RESOURCES)
