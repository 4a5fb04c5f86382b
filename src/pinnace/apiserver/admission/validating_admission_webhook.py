"""ValidatingAdmissionWebhook: asks the configured webhooks, all at the same time, whether a request may pass."""

import asyncio
import logging

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import EVERY_OPERATION, BasePlugin
from pinnace.apiserver.admission.webhooks import reviews
from pinnace.apiserver.admission.webhooks.calls import FailedCall, call
from pinnace.apiserver.admission.webhooks.configurations import Configurations
from pinnace.apiserver.admission.webhooks.selection import Invocation, Selection, is_exempt
from pinnace.apiserver.registry.catalog import Registries

log = logging.getLogger(__name__)
_FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io/round_0_index_{}"


class ValidatingAdmissionWebhook(BasePlugin):
    name = "ValidatingAdmissionWebhook"
    validates = EVERY_OPERATION

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._configurations = Configurations(registries, r.VALIDATING_WEBHOOK_CONFIGURATIONS)
        self._selection = Selection(registries)

    async def validate(self, admission: Admission) -> None:
        hooks = await self._configurations.hooks()
        if not hooks or is_exempt(admission):
            return
        concerned = [
            invocation
            for hook in hooks
            if (invocation := await self._selection.of(hook, admission)) is not None
        ]
        if not concerned:
            return
        judged = [self._judge(index, one, admission) for index, one in enumerate(concerned)]
        refusals = [error for error in await asyncio.gather(*judged) if error is not None]
        if refusals:
            raise refusals[0]

    async def _judge(
        self, index: int, invocation: Invocation, admission: Admission
    ) -> errors.StatusError | None:
        hook = invocation.hook
        try:
            verdict = await call(self._registries, invocation, admission, mutating=False)
        except FailedCall as error:
            if not hook.ignores_failure:
                return reviews.call_failure(hook, str(error))
            log.warning("Failed calling webhook, failing open %s: %s", hook.name, error)
            admission.annotate(_FAILED_OPEN.format(index), hook.name)
            return None
        except errors.StatusError as error:
            return error
        return None if verdict.allowed else reviews.denial(hook, verdict.status)
