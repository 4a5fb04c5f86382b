"""Files made from API objects: config maps, secrets, the downward API, service account tokens. Each gives path -> File."""

import base64
from collections.abc import Mapping
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.kubelet.environment import ConfigError, field_value, resource_value
from pinnace.kubelet.volumes.atomic_writer import File
from pinnace.kubelet.volumes.plugin import MountError, VolumeContext

Files = dict[str, File]
DEFAULT_MODE = 0o644
TOKEN_SECONDS = 3600
TOKEN_MODE = 0o600


async def config_map(source: Mapping[str, Any], mode: int, context: VolumeContext) -> Files:
    name = source.get("name", "")
    found = await context.objects.config_map(name)
    if found is None:
        if source.get("optional"):
            return {}
        raise MountError(f'configmap "{name}" not found')
    payload = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    payload.update({key: base64.b64decode(data) for key, data in (found.get("binaryData") or {}).items()})
    return _select(payload, source, mode, "configmap references non-existent config key: {key}")


async def secret(source: Mapping[str, Any], mode: int, context: VolumeContext) -> Files:
    name = source.get("secretName") or source.get("name", "")
    found = await context.objects.secret(name)
    if found is None:
        if source.get("optional"):
            return {}
        raise MountError(f'secret "{name}" not found')
    payload = {key: base64.b64decode(data) for key, data in (found.get("data") or {}).items()}
    return _select(payload, source, mode, "references non-existent secret key: {key}")


def _select(payload: Mapping[str, bytes], source: Mapping[str, Any], mode: int, missing: str) -> Files:
    """All keys under their own names, or those that `items` names under its paths."""
    items = source.get("items")
    if not items:
        return {key: File(content, mode) for key, content in payload.items()}
    files: Files = {}
    for item in items:
        if item["key"] in payload:
            own = item.get("mode")
            files[item["path"]] = File(payload[item["key"]], mode if own is None else own)
        elif not source.get("optional"):
            raise MountError(missing.format(key=item["key"]))
    return files


async def downward_api(source: Mapping[str, Any], mode: int, context: VolumeContext) -> Files:
    files: Files = {}
    for item in source.get("items") or ():
        try:
            text = _downward_value(context, item)
        except ConfigError as error:
            raise MountError(str(error)) from error
        own = item.get("mode")
        files[item["path"]] = File(text.encode(), mode if own is None else own)
    return files


def _downward_value(context: VolumeContext, item: Mapping[str, Any]) -> str:
    pod: Object = context.pod
    if "fieldRef" in item:
        return field_value(pod, item["fieldRef"]["fieldPath"], context.facts)
    return resource_value(pod, item["resourceFieldRef"], "", context.allocatable)


async def service_account_token(source: Mapping[str, Any], mode: int, context: VolumeContext) -> Files:
    seconds = source.get("expirationSeconds") or TOKEN_SECONDS
    try:
        token = await context.objects.token(source.get("audience") or "", seconds)
    except Exception as error:
        account = context.pod["spec"].get("serviceAccountName") or "default"
        raise MountError(
            f'failed to fetch token: "{meta.namespace(context.pod)}"/"{account}": {error}'
        ) from error
    owner, group = context.owner, context.group
    if owner is not None or group is not None:
        mode = TOKEN_MODE
    return {source["path"]: File(token.encode(), mode, owner)}
