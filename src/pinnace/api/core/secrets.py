"""Secrets: what each type must contain, size, immutability. `stringData` is folded into `data` when decoded."""

import base64
import json

from pinnace.api import fields, names
from pinnace.api.core import base64_data
from pinnace.api.core.configmaps import validate_frozen
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

OPAQUE = "Opaque"
SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
DOCKER_CONFIG = "kubernetes.io/dockercfg"
DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
BASIC_AUTH = "kubernetes.io/basic-auth"
SSH_AUTH = "kubernetes.io/ssh-auth"
TLS = "kubernetes.io/tls"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"

_REQUIRED_KEYS: dict[str, tuple[str, ...]] = {
    DOCKER_CONFIG: (".dockercfg",),
    DOCKER_CONFIG_JSON: (".dockerconfigjson",),
    SSH_AUTH: ("ssh-privatekey",),
    TLS: ("tls.crt", "tls.key"),
}


class SecretStrategy(Strategy):
    selectable_fields = frozenset(("metadata.name", "metadata.namespace", "type"))

    def set_defaults(self, obj: Object) -> None:
        obj["type"] = obj.get("type") or OPAQUE
        base64_data.check(obj.get("data"))
        if plain := obj.pop("stringData", None):
            data = obj.setdefault("data", {})
            for key, value in plain.items():
                data[key] = base64.b64encode(value.encode()).decode()

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + _validate_secret(obj)

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        found += fields.immutable("type", new.get("type"), old.get("type"))
        return found + validate_frozen(new, old, ("data",)) + _validate_secret(new)

    def field_labels(self, obj: Object) -> dict[str, str]:
        return {**super().field_labels(obj), "type": obj.get("type", "")}


def _validate_secret(obj: Object) -> list[Cause]:
    data: dict[str, str] = obj.get("data") or {}
    found: list[Cause] = []
    for key in data:
        found += fields.all_invalid(fields.key("data", key), key, names.config_key(key))
    if sum(map(base64_data.decoded_size, data.values())) > base64_data.MAX_SIZE:
        found.append(fields.too_long("data", base64_data.MAX_SIZE))
    return found + _validate_type(obj, data)


def _validate_type(obj: Object, data: dict[str, str]) -> list[Cause]:
    kind = obj.get("type", "")
    if kind == SERVICE_ACCOUNT_TOKEN:
        account = (obj["metadata"].get("annotations") or {}).get(SERVICE_ACCOUNT_NAME)
        path = fields.key("metadata.annotations", SERVICE_ACCOUNT_NAME)
        return [] if account else [fields.required(path)]
    if kind == BASIC_AUTH and not ("username" in data or "password" in data):
        return [fields.required("data[username]"), fields.required("data[password]")]
    missing = [
        fields.required(fields.key("data", key)) for key in _REQUIRED_KEYS.get(kind, ()) if key not in data
    ]
    if not missing and kind in (DOCKER_CONFIG, DOCKER_CONFIG_JSON):
        return _validate_json(_REQUIRED_KEYS[kind][0], data)
    return missing


def _validate_json(key: str, data: dict[str, str]) -> list[Cause]:
    try:
        json.loads(base64.b64decode(data[key]))
    except ValueError as error:
        return [fields.invalid(fields.key("data", key), "<secret contents redacted>", str(error))]
    return []
