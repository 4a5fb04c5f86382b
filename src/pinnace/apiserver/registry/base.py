"""What every registry is made of: its row, storage and strategy, the checks that need no I/O, and the hooks.

`registry/generic.py` puts the writes together from these; a resource that differs overrides the hooks.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from pinnace.api.columns import TableDef, table_for
from pinnace.api.resources import Resource
from pinnace.api.strategy import Strategy
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVK, parse_api_version
from pinnace.apimachinery.protobuf.codec import encode_message
from pinnace.apimachinery.remembered import Remembered
from pinnace.apimachinery.schema import Problem, Schema
from pinnace.apiserver.admission.attributes import Admission, Operation
from pinnace.apiserver.admission.chain import Chain
from pinnace.apiserver.authn.user import ANONYMOUS
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.authz.refusal import refusal
from pinnace.apiserver.bodies import OBJECT_TYPES, check_metadata_types
from pinnace.apiserver.registry import deletion, field_validation
from pinnace.apiserver.registry.context import DeleteOptions, WriteContext
from pinnace.apiserver.registry.patching import PATCH_TYPES
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.object_storage import ObjectStorage

if TYPE_CHECKING:
    from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]


def private_copy(obj: Object) -> Object:
    """Decoding what was encoded is several times faster than `copy.deepcopy` for JSON values."""
    copied: Object = orjson.loads(orjson.dumps(obj))
    return copied


def check_name(obj: Object, name: str) -> None:
    """The name in the object must be there and that of the URL. Raises BadRequest."""
    given = obj["metadata"].get("name")
    if not given:
        raise errors.BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise errors.BadRequest(
            f"the name of the object ({given}) does not match the name on the URL ({name})"
        )


def check_applied_kind(applied: Object, gvk: GVK) -> None:
    """An applied configuration must be of the very kind and version that is asked for."""
    given = GVK(*parse_api_version(applied.get("apiVersion") or ""), applied.get("kind") or "")
    if given != gvk:
        raise errors.BadRequest(f"invalid object type: {given.group}/{given.version}, Kind={given.kind}")


def unstored(obj: Object, revision: int = 0) -> Item:
    """What a dry run answers: an item that was never written."""
    metadata = obj["metadata"]
    if revision:
        metadata["resourceVersion"] = str(revision)
    return Item(
        "", orjson.dumps(obj), revision, namespace=metadata.get("namespace", ""), name=metadata["name"], labels={},
        fields={}, obj=obj,
    )  # fmt: skip


class RegistryBase:
    converts = False  # whether `served` differs from what is stored
    body_types: tuple[str, ...] = OBJECT_TYPES
    patch_types: tuple[str, ...] = PATCH_TYPES
    scale_paths: Mapping[str, str] | None = (
        None  # where replicas and selector are, unless in the usual places
    )

    def __init__(
        self, row: Resource, storage: ObjectStorage, strategy: Strategy, shared: "Registries"
    ) -> None:
        self.row, self.storage, self.strategy, self.shared = row, storage, strategy, shared
        self._templates: Remembered[bytes] = Remembered()  # fields as created objects of a template have them

    @cached_property
    def schema(self) -> Schema | None:
        return self.shared.schemas.for_gvk(self.row.gvk)

    @property
    def admission(self) -> Chain:
        return self.shared.admission

    @property
    def table(self) -> TableDef:
        """What `kubectl get` shows."""
        return table_for(self.row.gvr)

    # -- checks ---------------------------------------------------------------------------------------------
    def _place(self, obj: Object, namespace: str) -> None:
        """Kind, version and namespace of the body must agree with the URL."""
        row = self.row
        kind, version = obj.setdefault("kind", row.kind), obj.setdefault("apiVersion", row.gvr.api_version)
        if kind != row.kind or version != row.gvr.api_version:
            raise errors.BadRequest(
                f"{kind} in version {version!r} cannot be handled as a {row.kind}: "
                f"no kind {kind!r} is registered for version {version!r}".replace("'", '"')
            )
        given = obj["metadata"].get("namespace", "")
        if not row.namespaced:
            obj["metadata"].pop("namespace", None)
        elif given and given != namespace:
            raise errors.BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        else:
            obj["metadata"]["namespace"] = namespace

    def check_fields(
        self, obj: Object, ctx: WriteContext, raw: bytes | None = None, *, settled: Collection[str] = (),
        slips: Sequence[Problem] = (),
    ) -> bool:  # fmt: skip
        """What the decoder says of a body: unknown fields go, wrong types are refused; `slips` are known already."""
        return field_validation.check(self.row, self.schema, obj, ctx, raw, settled=settled, slips=slips)

    def settle(self, obj: Object) -> None:
        """What a webhook made of an object is decoded like what a client sends: types checked, defaults filled in."""
        check_metadata_types(obj)
        ctx = WriteContext(ANONYMOUS, self.shared.clock.now(), field_validation="Ignore")
        self.check_fields(obj, ctx)
        self.strategy.default(obj)

    def _judge(self, causes: list[errors.Cause], obj: Object) -> None:
        if causes:
            raise errors.invalid(self.row.kind, obj["metadata"].get("name", ""), causes, self.row.gvr.group)

    def _check_identity(self, new: Object, current: Object) -> None:
        row, metadata, stored = self.row, new["metadata"], current["metadata"]
        version = metadata.get("resourceVersion")
        if version not in (None, "", "0", stored["resourceVersion"]):
            raise errors.conflict(row.gvr.resource, stored["name"], errors.OBJECT_MODIFIED, row.gvr.group)

    def _check_uid(self, sent: Object, current: Object) -> None:
        """The uid in an update is a precondition; upstream tells it with the words of its storage."""
        given, stored = sent["metadata"].get("uid"), current["metadata"]
        if given and given != stored["uid"]:
            key = self.storage.key_of(stored["name"], stored.get("namespace", ""))
            why = (
                f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
                f"Precondition failed: UID in precondition: {given}, UID in object meta: {stored['uid']}"
            )
            raise errors.conflict(self.row.gvr.resource, stored["name"], why, self.row.gvr.group)

    def _require_version(self, obj: Object) -> None:
        """Some kinds are updated only by those who say which version they have seen."""
        if obj["metadata"].get("resourceVersion") or self.strategy.allows_unconditional_update:
            return
        cause = errors.Cause(
            "FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion"
        )  # fmt: skip
        raise errors.invalid(self.row.kind, obj["metadata"].get("name", ""), [cause], self.row.gvr.group)

    async def _require_create(self, name: str, namespace: str, ctx: WriteContext) -> None:
        """An update or apply that turns out to create needs the right to create."""
        gvr = self.row.gvr
        asked = Attributes(ctx.user, "create", True, gvr.group, gvr.version, gvr.resource, namespace, name)
        decision = await self.shared.authorizer.authorize(asked)
        if not decision.allowed:
            raise refusal(asked, decision.reason)

    def _record(self, old: Object | None, new: Object, ctx: WriteContext, subresource: str = "") -> None:
        from pinnace.apimachinery.apply.managed_fields import record_update

        record_update(
            old, new, manager=ctx.manager, now=ctx.now, api_version=self.row.gvr.api_version, subresource=subresource,
            schema=self.schema, remembered=self.shared.creations,
        )  # fmt: skip

    def _prepare_update(self, new: Object, current: Object, subresource: str) -> None:
        if subresource == "status":
            self.strategy.prepare_status_update(new, current)
        else:
            self.strategy.prepare_update(new, current)

    def _validate_update(self, new: Object, current: Object, subresource: str) -> list[errors.Cause]:
        if subresource == "status":
            return self.strategy.validate_status_update(new, current)
        return self.strategy.validate_update(new, current)

    # -- answers --------------------------------------------------------------------------------------------
    def served(self, item: Item) -> bytes:
        """The item's bytes in the version of this resource; the stored bytes unless versions differ."""
        return item.raw

    def served_object(self, item: Item) -> Object:
        """The same, decoded: shared and read-only."""
        return item.obj

    def message(self, item: Item) -> bytes:
        """The same as a protobuf message; only for kinds that have one."""
        return encode_message(self.served_object(item)) if self.converts else item.protobuf

    def to_stored(self, obj: Object) -> Object:
        """From this resource's version to the one that is stored, where they differ."""
        return obj

    def from_stored(self, obj: Object) -> Object:
        return obj

    # -- hooks ----------------------------------------------------------------------------------------------
    def mark_deleted(self, current: Object, options: DeleteOptions, ctx: WriteContext) -> Object | None:
        """The object as it stays while it terminates, or None when it goes at once."""
        strategy = self.strategy
        if strategy.orphans_by_default and deletion.says_nothing_of_dependents(current, options):
            options = replace(options, propagation_policy="Orphan")
        return deletion.marked(current, options, ctx.now, self.grace_of)

    def grace_of(self, current: Object, asked: int | None) -> int:
        return 0

    def may_vanish(self, obj: Object) -> bool:
        """Whether an object without finalizers and grace period may leave the store."""
        return True

    async def check(self, new: Object, old: Object | None, ctx: WriteContext) -> None:
        """A last judgement that needs more than the object: may raise."""

    def stamp(self, new: Object, current: Object, ctx: WriteContext, subresource: str) -> None:
        """Times that an update writes by itself, before anybody looks at it."""

    def reserving(self, new: Object, ctx: WriteContext) -> AbstractAsyncContextManager[None]:
        """Entered around a create: what the kind takes from a pool (addresses, ports), given back if the write fails."""
        return nullcontext()

    def _admission(
        self,
        operation: Operation,
        ctx: WriteContext,
        namespace: str,
        *,
        obj: Object | None = None,
        old: Object | None = None,
        name: str = "",
        subresource: str = "",
        deleting: DeleteOptions | None = None,
    ) -> Admission:
        name = name or ((obj or old or {}).get("metadata") or {}).get("name", "")
        return Admission(
            operation, self.row, ctx.user, ctx.now, namespace, name, subresource, obj, old, ctx.dry_run,
            ctx.options if deleting is None else deleting.as_object, ctx.warn, ctx.annotate, self.settle,
        )  # fmt: skip
