"""Definitions of custom resources for tests, and waiting until they are served."""

from typing import Any

from pinnace.api import meta
from pinnace.api.resources import CUSTOM_RESOURCE_DEFINITIONS
from pinnace.apimachinery.errors import NotFound
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import Client
from pinnace.testing.wait import eventually

Object = dict[str, Any]
ANYTHING: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
GROUP = "example.com"
FOOS = GVR(GROUP, "v1", "foos")


def version(name: str = "v1", schema: Object | None = None, *, storage: bool = True, **more: Any) -> Object:
    return {
        "name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema or ANYTHING}, **more,
    }  # fmt: skip


def definition(
    *versions: Object, plural: str = "foos", kind: str = "Foo", group: str = GROUP, scope: str = "Namespaced",
    labels: dict[str, str] | None = None, **more: Any,
) -> Object:  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": labels or {}},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "kind": kind},
            "versions": list(versions) or [version()],
            **more,
        },
    }


def foo(name: str = "a", *, api_version: str = f"{GROUP}/v1", kind: str = "Foo", **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


async def establish(client: Client, body: Object) -> Object:
    """Create it and wait until it is served."""
    name = meta.name(await client.create(CUSTOM_RESOURCE_DEFINITIONS, body))

    async def established() -> Object | None:
        found = await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
        return found if meta.condition_is_true(found, "Established") else None

    return await eventually(established)


async def change(client: Client, name: str, **spec: Any) -> Object:
    """A merge patch of the definition's spec."""
    return await client.patch(CUSTOM_RESOURCE_DEFINITIONS, name, {"spec": spec})


async def gone(client: Client, name: str) -> None:
    async def absent() -> bool:
        try:
            await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
        except NotFound:
            return True
        return False

    await eventually(absent)
