"""Defaults of volumes: file modes, token lifetimes, an emptyDir where no source is named."""

from typing import Any

from pinnace.api.core.container_defaults import (
    canonical,
    pull_policy,
    set_field_source_defaults,
)
from pinnace.api.core.storage_sources import set_storage_defaults

FILE_MODE = 0o644
TOKEN_SECONDS = 3600


def set_volume_defaults(volume: dict[str, Any]) -> None:
    if len(volume) == 1 and "name" in volume:
        volume["emptyDir"] = {}
    for source in ("secret", "configMap"):
        if (mounted := volume.get(source)) is not None:
            mounted.setdefault("defaultMode", FILE_MODE)
    if (empty := volume.get("emptyDir")) is not None and "sizeLimit" in empty:
        empty["sizeLimit"] = canonical(empty["sizeLimit"])
    if (host_path := volume.get("hostPath")) is not None:
        host_path.setdefault("type", "")
    if (downward := volume.get("downwardAPI")) is not None:
        downward.setdefault("defaultMode", FILE_MODE)
        _set_file_defaults(downward)
    if (projected := volume.get("projected")) is not None:
        _set_projected_defaults(projected)
    if (image := volume.get("image")) is not None and not image.get("pullPolicy"):
        image["pullPolicy"] = pull_policy(image.get("reference") or "")
    if claim := (volume.get("ephemeral") or {}).get("volumeClaimTemplate"):
        set_claim_defaults(claim.setdefault("spec", {}))
    set_storage_defaults(volume)


def set_claim_defaults(spec: dict[str, Any]) -> None:
    """The spec of a PersistentVolumeClaim, wherever a template of one stands."""
    from pinnace.api.core.persistentvolumeclaims import set_spec_defaults

    set_spec_defaults(spec)


def _set_projected_defaults(projected: dict[str, Any]) -> None:
    projected.setdefault("defaultMode", FILE_MODE)
    for source in projected.get("sources") or ():
        if (token := source.get("serviceAccountToken")) is not None:
            token.setdefault("expirationSeconds", TOKEN_SECONDS)
        if (downward := source.get("downwardAPI")) is not None:
            _set_file_defaults(downward)


def _set_file_defaults(downward: dict[str, Any]) -> None:
    for item in downward.get("items") or ():
        set_field_source_defaults(item)
