"""One CustomResourceDefinition as this server serves it: its rows, and the registry of each, made at first use."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pinnace.api import meta
from pinnace.api.apiextensions.conditions import ESTABLISHED, TERMINATING
from pinnace.api.resources import SCALE, STATUS, Resource, Subresource
from pinnace.apimachinery.gvk import GVK, GVR
from pinnace.apimachinery.schema import Schema
from pinnace.apimachinery.structural.node import Structural

if TYPE_CHECKING:
    from pinnace.apiserver.extensions.conversion import Converter
    from pinnace.apiserver.extensions.custom_registry import CustomRegistry
    from pinnace.apiserver.registry.catalog import Registries
    from pinnace.apiserver.storage.object_storage import ObjectStorage

Object = dict[str, Any]
VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
TERMINATING_VERBS = tuple(verb for verb in VERBS if verb != "create")  # finalizers must still be taken off
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Definition:
    """`obj` is the definition, this instance's own. `rows` is empty until it is established."""

    def __init__(self, obj: Object, registries: "Registries") -> None:
        self.obj, self._registries = obj, registries
        self.name: str = meta.name(obj)
        spec = obj["spec"]
        self.group: str = spec["group"]
        self.plural: str = spec["names"]["plural"]
        self.versions: list[Object] = spec["versions"]
        self._structurals: dict[str, Structural] = {}
        self._made: list[CustomRegistry] = []

    @property
    def kind(self) -> str:
        return str(self.obj["spec"]["names"]["kind"])

    @property
    def is_terminating(self) -> bool:
        return meta.condition_is_true(self.obj, TERMINATING) or meta.is_terminating(self.obj)

    @cached_property
    def storage_version(self) -> Object:
        return next(version for version in self.versions if version.get("storage"))

    @cached_property
    def rows(self) -> tuple[Resource, ...]:
        if not meta.condition_is_true(self.obj, ESTABLISHED):
            return ()
        return tuple(self._row(version) for version in self.versions if version.get("served"))

    def _row(self, version: Object) -> Resource:
        accepted = (self.obj.get("status") or {}).get("acceptedNames") or {}
        metadata = self.obj["metadata"]
        return Resource(
            GVR(self.group, version["name"], self.plural),
            accepted.get("kind") or self.kind,
            namespaced=self.obj["spec"]["scope"] == "Namespaced",
            short_names=tuple(accepted.get("shortNames") or ()),
            categories=tuple(accepted.get("categories") or ()),
            verbs=TERMINATING_VERBS if self.is_terminating else VERBS,
            subresources=tuple(_subresources(version)),
            storage=self.name,
            singular_name=accepted.get("singular", ""),
            list_kind_name=accepted.get("listKind", ""),
            stored_version=self.storage_version["name"],
            deprecation=_deprecation(version, self.group, accepted.get("kind") or self.kind),
            revision=f"{metadata.get('uid')}/{metadata.get('generation')}",
        )

    def serves_same_as(self, other: "Definition") -> bool:
        return self.rows == other.rows

    def adopt(self, old: "Definition") -> None:
        """Take over what was made for an equal definition: its registries go on."""
        self._structurals, self._made = old._structurals, old._made

    # -- registries -----------------------------------------------------------------------------------------
    def version(self, name: str) -> Object:
        return next(version for version in self.versions if version["name"] == name)

    def structural(self, name: str) -> Structural:
        found = self._structurals.get(name)
        if found is None:
            schema = (self.version(name).get("schema") or {}).get("openAPIV3Schema") or {}
            found = self._structurals[name] = Structural(schema, is_root=True)
        return found

    def object_meta(self) -> Schema:
        return self._registries.schemas.by_name(OBJECT_META)

    def storage(self) -> "ObjectStorage":
        """All objects, as they are stored."""
        return self._registries.storages.of(self._stored_row(), _meta_labels)

    def _stored_row(self) -> Resource:
        return self._row(self.storage_version)

    def converter(self) -> "Converter":
        from pinnace.apiserver.extensions.conversion import ByName, ByWebhook

        conversion = self.obj["spec"].get("conversion") or {}
        if conversion.get("strategy") == "Webhook":
            name = self.obj["metadata"]["name"]
            return ByWebhook(self._registries.webhooks, conversion["webhook"], name)
        return ByName()

    def registry(self, row: Resource) -> "CustomRegistry":
        from pinnace.api.apiextensions.custom_strategy import CustomResourceStrategy
        from pinnace.apiserver.extensions.custom_registry import CustomRegistry
        from pinnace.apiserver.extensions.view import View, ViewStorage
        from pinnace.apiserver.storage.keys import KeySpace

        version, stored = self.version(row.gvr.version), self.storage_version["name"]
        structural = self.structural(version["name"])
        strategy = CustomResourceStrategy(row, version, structural)
        base = self.storage()
        view = View(
            row.gvk, structural, GVK(self.group, stored, row.kind), self.structural(stored), self.converter(),
            self.object_meta, strategy.field_labels, base.cache.contents, has_fields=bool(version.get("selectableFields")),
        )  # fmt: skip
        keys = KeySpace.of(self.name, namespaced=row.namespaced)
        storage = ViewStorage(base, view, row.gvr, keys)
        made = CustomRegistry(row, storage, strategy, self._registries, version, self.object_meta)
        self._made.append(made)
        return made

    def retire(self) -> None:
        """Another definition takes this one's place, or none: whoever watches must come back and see."""
        for registry in self._made:
            registry.view_storage.end_watches()

    def forget_storage(self) -> None:
        self._registries.storages.forget(self.name)


def _meta_labels(obj: Object) -> dict[str, str]:
    own = obj["metadata"]
    return {"metadata.name": own.get("name", ""), "metadata.namespace": own.get("namespace", "")}


def _deprecation(version: Object, group: str, kind: str) -> str:
    if not version.get("deprecated"):
        return ""
    return version.get("deprecationWarning") or f"{group}/{version['name']} {kind} is deprecated"


def _subresources(version: Object) -> list[Subresource]:
    given = version.get("subresources") or {}
    found = [STATUS] if given.get("status") is not None else []
    return [*found, SCALE] if given.get("scale") is not None else found
