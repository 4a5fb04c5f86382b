"""MutatingAdmissionWebhook: asks the configured webhooks one after the other, each may change the object by a JSON patch.

When one changed what earlier ones had seen, the mutating phase runs once more and those with reinvocationPolicy IfNeeded are
asked again. Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/webhook/mutating/dispatcher.go
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import orjson

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apimachinery.patch import json_patch
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import EVERY_OPERATION, BasePlugin
from pinnace.apiserver.admission.webhooks import reviews
from pinnace.apiserver.admission.webhooks.calls import FailedCall, call, converted
from pinnace.apiserver.admission.webhooks.configurations import Configurations, Hook
from pinnace.apiserver.admission.webhooks.selection import Invocation, Selection, is_exempt
from pinnace.apiserver.registry.catalog import Registries

log = logging.getLogger(__name__)
Object = dict[str, Any]
_MUTATION, _PATCH = "mutation.webhook.admission.k8s.io", "patch.webhook.admission.k8s.io"


@dataclass(slots=True)
class Rounds:
    """Which webhooks have been asked and may be asked again, which must be, and the object as the last of them left it."""

    asked: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)
    left: bytes = b""

    def require_again(self) -> None:
        self.again |= self.asked
        self.asked.clear()


class MutatingAdmissionWebhook(BasePlugin):
    name = "MutatingAdmissionWebhook"
    admits = EVERY_OPERATION

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._configurations = Configurations(registries, r.MUTATING_WEBHOOK_CONFIGURATIONS)
        self._selection = Selection(registries)

    async def admit(self, admission: Admission) -> None:
        hooks = await self._configurations.hooks()
        if not hooks or is_exempt(admission):
            return
        again = admission.again()
        rounds: Rounds = again.notes.setdefault(self.name, Rounds())
        if again.running and rounds.left != _bytes(admission.object):
            rounds.require_again()  # a plugin changed the object after the webhooks had seen it
        for index, hook in enumerate(hooks):
            invocation = await self._selection.of(hook, admission)
            if invocation is None or (again.running and hook.uid not in rounds.again):
                continue
            changed = await self._ask(invocation, admission, f"round_{int(again.running)}_index_{index}")
            if changed:
                rounds.require_again()
                again.requested = True
            if hook.is_reinvoked:
                rounds.asked.add(hook.uid)
        rounds.left = _bytes(admission.object)

    async def _ask(self, invocation: Invocation, admission: Admission, place: str) -> bool:
        """Whether the webhook changed the object; raises when it refuses, or cannot be asked and must be."""
        hook = invocation.hook
        changed = False
        try:
            verdict = await call(self._registries, invocation, admission, mutating=True)
            if not verdict.allowed:
                raise reviews.denial(hook, verdict.status)
            if verdict.patch:
                changed = await self._change(invocation, admission, verdict.patch)
                _annotate(admission, hook, f"{_PATCH}/{place}", patch=verdict.patch, patchType="JSONPatch")
        except FailedCall as error:
            if not hook.ignores_failure:
                raise reviews.call_failure(hook, str(error)) from error
            log.warning("Failed calling webhook, failing open %s: %s", hook.name, error)
            admission.annotate(f"failed-open.{_MUTATION}/{place}", hook.name)
        finally:
            _annotate(admission, hook, f"{_MUTATION}/{place}", mutated=changed)
        return changed

    async def _change(self, invocation: Invocation, admission: Admission, patch: list[Object]) -> bool:
        """The object is changed in place: whoever holds it sees the change."""
        obj, row, wanted = admission.object, admission.resource, invocation.seen_as
        if obj is None:
            why = f'admission webhook "{invocation.hook.name}" attempted to modify the object, which is not supported for this operation'
            raise errors.InternalError(f"Internal error occurred: {why}")
        seen = await converted(self._registries, obj, row, wanted)
        assert seen is not None
        before = _bytes(obj)
        try:
            new = json_patch.apply(seen, patch)
            back = await converted(self._registries, new, wanted, row)
            assert back is not None
            admission.default(back)
        except errors.StatusError as error:
            why = error.message.removeprefix(f"{json_patch.REJECTED}: ")
            raise errors.InternalError(f"Internal error occurred: {why}") from error
        obj.clear()
        obj.update(back)
        return _bytes(obj) != before


def _bytes(obj: Object | None) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)


def _annotate(admission: Admission, hook: Hook, key: str, **more: Any) -> None:
    note = {"configuration": hook.configuration, "webhook": hook.name, **more}
    admission.annotate(key, orjson.dumps(note).decode())
