"""CertificateSigningRequests: who asks is written by the server; decisions come through the subresource `approval`."""

from typing import Any

from pinnace.api.certificates.certificatesigningrequests import CertificateSigningRequestStrategy
from pinnace.apimachinery import errors
from pinnace.apimachinery.times import format_time
from pinnace.apiserver.registry.context import WriteContext
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.storage.item import Item

Object = dict[str, Any]
_IDENTITY = ("username", "uid", "groups", "extra")


class CertificateSigningRequestRegistry(Registry):
    async def create(
        self,
        obj: Object,
        namespace: str,
        ctx: WriteContext,
        *,
        raw: bytes | None = None,
        applied: bool = False,
    ) -> Item:
        spec = obj.get("spec")
        if isinstance(spec, dict):
            for field in _IDENTITY:
                spec.pop(field, None)
            spec.update(ctx.user.as_user_info())
        return await super().create(obj, namespace, ctx, raw=raw, applied=applied)

    def stamp(self, new: Object, current: Object, ctx: WriteContext, subresource: str) -> None:
        if subresource:
            _stamp(new, current, format_time(ctx.now))

    def _prepare_update(self, new: Object, current: Object, subresource: str) -> None:
        if subresource == "approval":
            assert isinstance(self.strategy, CertificateSigningRequestStrategy)
            self.strategy.prepare_approval(new, current)
            return
        super()._prepare_update(new, current, subresource)

    def _validate_update(self, new: Object, current: Object, subresource: str) -> list[errors.Cause]:
        if subresource == "approval":
            assert isinstance(self.strategy, CertificateSigningRequestStrategy)
            return self.strategy.validate_approval(new, current)
        return super()._validate_update(new, current, subresource)


def _stamp(new: Object, current: Object, now: str) -> None:
    """Conditions without times get them: of an update now, of a change now or when it last changed."""
    before = {one.get("type"): one for one in (current.get("status") or {}).get("conditions") or ()}
    for condition in (new.get("status") or {}).get("conditions") or ():
        condition.setdefault("lastUpdateTime", now)
        same = before.get(condition.get("type"), {})
        since = same.get("lastTransitionTime") if same.get("status") == condition.get("status") else None
        condition.setdefault("lastTransitionTime", since or now)
