"""The generic registry: create, update, patch and delete of any resource, by its strategy, on its storage.

Order of a write: decode -> default -> mutating admission -> prepare -> validate -> validating admission -> storage. A resource that
differs derives from `Registry` and overrides the hooks of `RegistryBase`. Reads go straight to the storage.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any

import orjson

from pinnace.apimachinery import errors
from pinnace.apiserver.bodies import check_metadata_types
from pinnace.apiserver.registry import deletion, field_validation
from pinnace.apiserver.registry.base import (
    Object,
    RegistryBase,
    check_applied_kind,
    check_name,
    private_copy,
    unstored,
)  # fmt: skip
from pinnace.apiserver.registry.context import DeleteOptions, WriteContext
from pinnace.apiserver.registry.metadata import (
    carry_over,
    fill_on_create,
    generate_name,
    same_but_for_bookkeeping,
)  # fmt: skip
from pinnace.apiserver.registry.patching import patcher, reach
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import Outcome

Produce = Callable[[Object], Object]
Show = Callable[[Object], Object]
WriteBack = Callable[[Object, Object], None]
Transform = Callable[[Item], Awaitable[Object | Outcome]]
_NAME_ATTEMPTS = 8


class Registry(RegistryBase):
    # -- create ---------------------------------------------------------------------------------------------
    async def create(
        self,
        obj: Object,
        namespace: str,
        ctx: WriteContext,
        *,
        raw: bytes | None = None,
        applied: bool = False,
    ) -> Item:
        """`obj` belongs to the registry from here on; `raw` is the text it was decoded from, if there was one."""
        asked = self._asked_templates(obj)
        known = {name: kept for name, key in asked.items() if (kept := self._templates.get(key)) is not None}
        is_clean = self.check_fields(obj, ctx, raw, settled=known)
        self._place(obj, namespace)
        if obj["metadata"].get("resourceVersion"):
            raise errors.BadRequest("resourceVersion should not be set on objects to be created")
        with field_validation.set_aside(obj, known):
            self.strategy.default(obj)
        for name, key in asked.items():
            if name in known:
                obj[name] = orjson.loads(known[name])
            elif is_clean:
                self._templates.put(key, orjson.dumps(obj[name]))
        if not applied:
            self._record(None, obj, ctx)  # before admission, as upstream: what plugins add has no owner
        admission = self._admission("CREATE", ctx, namespace, obj=obj, name=obj["metadata"].get("name", ""))
        await self.admission.admit(admission)
        self.strategy.prepare_create(obj)
        generated = not obj["metadata"].get("name")
        fill_on_create(obj, ctx.now)
        self.strategy.canonicalize(obj)
        self._judge(self.strategy.validate(obj), obj)
        for text in (*self.strategy.create_warnings(obj), *self.strategy.warnings(obj)):
            ctx.warn(text)
        await self.admission.validate(admission)
        await self.check(obj, None, ctx)
        return await self._store_new(self.to_stored(obj), ctx, generated=generated)

    def _asked_templates(self, obj: Object) -> dict[str, tuple[str, bytes]]:
        """Under which key fields that depend on nothing else are remembered, as checking and defaulting leave them: objects
        made from one template ask for the same again and again."""
        fields = [name for name in self.strategy.independent_fields if isinstance(obj.get(name), dict)]
        try:
            return {name: self._templates.key(name, obj[name]) for name in fields}
        except TypeError:  # of another text than JSON, with values that JSON has not
            return {}

    async def _store_new(self, obj: Object, ctx: WriteContext, *, generated: bool) -> Item:
        """A generated name that is taken is drawn again; a name that the user chose is not."""
        for attempt in range(_NAME_ATTEMPTS):
            self.strategy.canonicalize(obj)
            try:
                async with self.reserving(obj, ctx):
                    return await (self._rehearse(obj) if ctx.dry_run else self.storage.create(obj))
            except errors.AlreadyExists:
                if not generated or attempt == _NAME_ATTEMPTS - 1:
                    raise
                obj["metadata"]["name"] = generate_name(obj["metadata"]["generateName"])
        raise AssertionError("unreachable")

    async def _rehearse(self, obj: Object) -> Item:
        """A dry-run create: everything but the write."""
        metadata = obj["metadata"]
        try:
            await self.storage.get(metadata["name"], metadata.get("namespace", ""))
        except errors.NotFound:
            return unstored(obj)
        raise errors.already_exists(self.row.gvr.resource, metadata["name"], self.row.gvr.group)

    # -- update and patch -----------------------------------------------------------------------------------
    async def update(
        self,
        name: str,
        namespace: str,
        obj: Object,
        ctx: WriteContext,
        *,
        subresource: str = "",
        raw: bytes | None = None,
    ) -> Item:
        """Replace by what the client sent; its resourceVersion, if any, must be the current one."""
        settled = self._settled(obj, self.storage.glimpse(name, namespace))
        self.check_fields(obj, ctx, raw, settled=settled)
        self._place(obj, namespace)
        check_name(obj, name)
        with field_validation.set_aside(obj, settled):
            self.strategy.default(obj)
        sent, first = orjson.dumps(obj), [obj]  # nearly always the first attempt is the only one

        def produce(current: Object) -> Object:
            wanted: Object = first.pop() if first else orjson.loads(sent)
            self._require_version(wanted)
            self._check_uid(wanted, current)
            return wanted

        try:
            return await self.change(name, namespace, produce, ctx, subresource=subresource)
        except errors.NotFound:
            if (
                subresource
                or not self.strategy.allows_create_on_update
                or obj["metadata"].get("resourceVersion")
            ):
                raise
        await self._require_create(name, namespace, ctx)
        return await self.create(orjson.loads(sent), namespace, ctx)

    async def patch(
        self, name: str, namespace: str, media: str, change: Any, ctx: WriteContext, *, subresource: str = "",
        raw: bytes | None = None,
    ) -> Item:  # fmt: skip
        """A JSON, merge or strategic merge patch of whatever is current; `raw` is the text of the patch."""
        apply = patcher(self.schema, media, change)
        slips = field_validation.slips_of_patch(media, change, ctx, raw)
        reached = reach(media, change) if subresource == "status" else None

        def produce(current: Object) -> Object:
            shared = self._untouched(current, reached)
            new = apply({**current, **{part: {} for part in shared}})
            if not isinstance(new, dict):
                raise errors.BadRequest("the patch does not result in an object")
            for part, value in shared.items():
                new[part] = {**value, **new[part]} if part == "metadata" else value
            check_metadata_types(new)
            settled = list(shared) if shared else self._settled(new, current)
            try:
                self.check_fields(new, ctx, settled=settled, slips=slips)
            except field_validation.Undecodable as error:
                raise field_validation.of_patch(error, media, change, apply(current)) from error
            self._place(new, namespace)
            check_name(new, name)
            with field_validation.set_aside(new, settled):
                self.strategy.default(new)
            return new

        return await self.change(name, namespace, produce, ctx, subresource=subresource)

    def _untouched(self, current: Object, reached: Collection[str] | None) -> Object:
        """What a patch of the status leaves as it is stored: neither copied nor looked into again.

        Nobody changes it in place: of a write to the status only the status is taken.
        """
        if reached is None or self.converts or not self.strategy.independent_fields:
            return {}
        names = ("metadata", *self.strategy.independent_fields)
        return {name: current[name] for name in names if name in current and name not in reached}

    def _settled(self, obj: Object, stored: Object | None) -> list[str]:
        """The fields that read exactly as a stored object's, which has been through checks and defaults before."""
        if stored is None or self.converts:
            return []
        return [
            name
            for name in self.strategy.independent_fields
            if name in obj and name in stored and orjson.dumps(obj[name]) == orjson.dumps(stored[name])
        ]

    async def apply(
        self, name: str, namespace: str, applied: Object, ctx: WriteContext, *, subresource: str = "",
        raw: bytes | None = None,
    ) -> tuple[Item, bool]:  # fmt: skip
        """Server-side apply: the item, and whether it is new; `raw` is the text of the configuration."""
        from pinnace.apimachinery.apply.typed import check_typed

        check_applied_kind(applied, self.row.gvk)
        field_validation.check_configuration(applied, ctx, raw)
        self._place(applied, namespace)
        if applied["metadata"].get("name"):
            check_name(applied, name)
        check_typed(applied, self.schema)
        self.check_fields(private_copy(applied), ctx)

        def produce(current: Object) -> Object:
            new = self._merged(current, applied, ctx, subresource)
            self.strategy.default(new)
            return new

        while True:
            try:
                return await self.change(
                    name, namespace, produce, ctx, subresource=subresource, applied=True
                ), False
            except errors.NotFound:
                if subresource:
                    raise
            await self._require_create(name, namespace, ctx)
            if uid := applied["metadata"].get("uid"):
                why = (
                    f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                )
                raise errors.conflict(self.row.gvr.resource, name, why, self.row.gvr.group)
            check_name(applied, name)
            try:
                new = self._merged(None, applied, ctx, "")
                return await self.create(new, namespace, ctx, applied=True), True
            except errors.AlreadyExists:
                continue  # somebody was quicker: merge into theirs

    def _merged(self, live: Object | None, applied: Object, ctx: WriteContext, subresource: str) -> Object:
        from pinnace.apimachinery.apply import server_side

        return server_side.apply(
            live, applied, manager=ctx.manager, force=ctx.force, now=ctx.now, api_version=self.row.gvr.api_version,
            subresource=subresource, schema=self.schema,
        )  # fmt: skip

    async def change(
        self,
        name: str,
        namespace: str,
        produce: Produce,
        ctx: WriteContext,
        *,
        subresource: str = "",
        applied: bool = False,
        view: tuple[Show, WriteBack] | None = None,
    ) -> Item:
        """Store `produce(current)`, repeated when somebody else wrote in between. `produce` returns an object of its own.

        `view`: how admission sees the object (a Scale), and how what it changed there is written into the object.
        A resourceVersion in the produced object that is not the current one is a Conflict.
        """

        async def transform(item: Item) -> Object | Outcome:
            current = self.from_stored(item.obj)
            new = produce(current)
            self._check_identity(new, current)
            wanted = await self._next(new, current, ctx, subresource, applied, view)
            return wanted if isinstance(wanted, Outcome) else self.to_stored(wanted)

        return await self._write(name, namespace, transform, ctx)

    async def _write(self, name: str, namespace: str, transform: Transform, ctx: WriteContext) -> Item:
        """A guaranteed update; a dry run stops before the store is touched."""
        if not ctx.dry_run:
            return await self.storage.update(name, namespace, transform)
        current = await self.storage.get(name, namespace)
        wanted = await transform(current)
        return current if isinstance(wanted, Outcome) else unstored(wanted, current.revision)

    async def _next(
        self,
        new: Object,
        current: Object,
        ctx: WriteContext,
        subresource: str,
        applied: bool,
        view: tuple[Show, WriteBack] | None = None,
    ) -> Object | Outcome:
        """The object to store in place of `current`, KEEP when nothing changes, DELETE when it goes away."""
        carry_over(new, current)
        self.stamp(new, current, ctx, subresource)
        if not applied and not same_but_for_bookkeeping(new, current):
            self._record(current, new, ctx, subresource)
        admission = self._admission(
            "UPDATE", ctx, current["metadata"].get("namespace", ""), obj=new, old=current, subresource=subresource
        )  # fmt: skip
        if view is not None:
            show, write_back = view
            admission.object, admission.old = show(new), show(current)
            admission.default = lambda _: None
        await self.admission.admit(admission)
        if view is not None:
            assert admission.object is not None
            write_back(new, admission.object)
        self._prepare_update(new, current, subresource)
        self._judge(self._validate_update(new, current, subresource), new)
        if not subresource:
            for text in self.strategy.warnings(new):
                ctx.warn(text)
        await self.admission.validate(admission)
        await self.check(new, current, ctx)
        if deletion.is_finished(new) and self.may_vanish(new):
            return Outcome.DELETE
        return Outcome.KEEP if same_but_for_bookkeeping(new, current) else new

    # -- delete ---------------------------------------------------------------------------------------------
    async def delete(
        self, name: str, namespace: str, options: DeleteOptions, ctx: WriteContext, *, admitted: bool = False
    ) -> tuple[Item, bool]:
        """The object as it was or as it stays, and whether it is gone. An eviction has been `admitted` as such."""
        if ctx.dry_run:
            options = replace(options, dry_run=True)
        deletion.check_options(options)
        if self.strategy.orphaning_warning and not (
            options.propagation_policy or options.orphan_dependents is not None
        ):
            ctx.warn(self.strategy.orphaning_warning)
        gone = False

        async def transform(item: Item) -> Object | Outcome:
            nonlocal gone
            current = item.obj
            deletion.check_preconditions(current, options, self.row.kind, self.row.gvr.group)
            if not admitted:
                shown = self.from_stored(current)
                await self.admission.review(
                    self._admission("DELETE", ctx, namespace, old=shown, name=name, deleting=options)
                )
            stays = self.mark_deleted(current, options, ctx)
            gone = stays is None
            return Outcome.DELETE if stays is None else stays

        item = await self._write(name, namespace, transform, ctx)
        return item, gone
