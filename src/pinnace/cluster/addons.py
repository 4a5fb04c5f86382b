"""Objects that a cluster has from its first second: the IngressClass of the built-in proxy, StorageClasses."""

import contextlib
from typing import Any

from pinnace.api import meta
from pinnace.api.resources import BY_GVK
from pinnace.api.storage.storageclasses import DEFAULT_ANNOTATION, WAIT_FOR_FIRST_CONSUMER
from pinnace.apimachinery.errors import AlreadyExists
from pinnace.client.interface import APPLY_PATCH, Client
from pinnace.ingress.routes import CLASS_NAME, CONTROLLER, DEFAULT_CLASS

MANAGER = "pinnace"


def ingress_class() -> dict[str, Any]:
    metadata = {"name": CLASS_NAME, "annotations": {DEFAULT_CLASS: "true"}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": metadata,
        "spec": {"controller": CONTROLLER},
    }


def storage_classes() -> list[dict[str, Any]]:
    """`local-path`, the default, under the names that k3s gives it, and `standard`, as kind calls the same."""

    def storage_class(name: str, *, default: bool) -> dict[str, Any]:
        return {
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": name, "annotations": {DEFAULT_ANNOTATION: str(default).lower()}},
            "provisioner": "rancher.io/local-path", "reclaimPolicy": "Delete",
            "volumeBindingMode": WAIT_FOR_FIRST_CONSUMER, "allowVolumeExpansion": True,
        }  # fmt: skip

    return [storage_class("local-path", default=True), storage_class("standard", default=False)]


async def create_missing(client: Client, objects: list[dict[str, Any]]) -> None:
    """For objects that users take over: a changed one stays as it is."""
    for obj in objects:
        with contextlib.suppress(AlreadyExists):
            await client.create(BY_GVK[meta.gvk(obj)].gvr, obj, meta.namespace(obj) or None)


async def apply(client: Client, objects: list[dict[str, Any]]) -> None:
    """Server-side apply, so that what users add to these objects stays."""
    for obj in objects:
        gvr = BY_GVK[meta.gvk(obj)].gvr
        await client.patch(
            gvr, meta.name(obj), obj, meta.namespace(obj) or None,
            content_type=APPLY_PATCH, field_manager=MANAGER, force=True,
        )  # fmt: skip
