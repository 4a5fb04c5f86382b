"""The registry of one version of a custom resource: the generic one, with the schema of its definition."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from pinnace.api.apiextensions import embedded
from pinnace.api.apiextensions.columns import table_of
from pinnace.api.apiextensions.custom_strategy import CustomResourceStrategy
from pinnace.api.columns import TableDef
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apimachinery.schema import Problem, Schema
from pinnace.apimachinery.structural import pruning
from pinnace.apiserver.extensions.schemas import merge_schema
from pinnace.apiserver.extensions.view import ViewStorage
from pinnace.apiserver.negotiation import TEXTS
from pinnace.apiserver.registry import field_validation
from pinnace.apiserver.registry.base import Object
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry
from pinnace.client.interface import APPLY_PATCH, JSON_PATCH, MERGE_PATCH

if TYPE_CHECKING:
    from pinnace.apiserver.registry.catalog import Registries


class CustomRegistry(Registry):
    """`is_terminating` is true while the definition is being deleted: objects go, but none come."""

    body_types = TEXTS
    patch_types = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)

    def __init__(
        self, row: Resource, storage: ViewStorage, strategy: CustomResourceStrategy, shared: "Registries",
        version: Object, object_meta: Callable[[], Schema],
    ) -> None:  # fmt: skip
        super().__init__(row, storage, strategy, shared)
        self.view_storage, self._version, self._object_meta = storage, version, object_meta
        self.structural = strategy.schema
        self.scale_paths: Mapping[str, str] | None = strategy.scale or None

    @cached_property
    def schema(self) -> Schema | None:
        return merge_schema(self.structural, self._object_meta())

    @cached_property
    def table(self) -> TableDef:
        return table_of(self._version)

    def check_fields(
        self,
        obj: Object,
        ctx: WriteContext,
        raw: bytes | None = None,
        *,
        settled: Collection[str] = (),
        slips: Sequence[Problem] = (),
    ) -> bool:
        """Types are for the schema's validation to judge; here only unknown and repeated fields are told."""
        repeated = field_validation.duplicates(obj, ctx, raw)
        unknown = embedded.coerce(self.structural, obj, self._object_meta())
        unknown += pruning.prune(self.structural, obj)
        problems = [Problem("unknown", path, f'unknown field "{path}"') for path in unknown]
        field_validation.report(self.row, [*slips, *repeated, *problems], ctx)
        return not problems

    def _place(self, obj: Object, namespace: str) -> None:
        if not obj.get("kind") or not obj.get("apiVersion"):
            what = "Kind" if not obj.get("kind") else "apiVersion"
            raise errors.BadRequest(f"Object '{what}' is missing in the provided object")
        super()._place(obj, namespace)
