"""The auditor of one server: asks the policy, makes records, hands their events to the sinks."""

from pinnace.apiserver.audit.policy import Policy, load_policy
from pinnace.apiserver.audit.record import Event, Record
from pinnace.apiserver.audit.sinks import BatchedWebhook, LogFile, Sink
from pinnace.apiserver.config_security import AuditConfig
from pinnace.apiserver.request import Request
from pinnace.component.clock import Clock


class Auditor:
    def __init__(self, policy: Policy, sinks: tuple[Sink, ...]) -> None:
        self._policy, self._sinks = policy, sinks
        self.events = 0
        self.levels: dict[str, int] = {}

    def begin(self, request: Request) -> Record | None:
        """None when the policy wants nothing of this request."""
        verdict = self._policy.verdict(request.user, request.info)
        self.levels[verdict.level] = self.levels.get(verdict.level, 0) + 1
        return Record(request, verdict, self._emit) if verdict.level != "None" else None

    def _emit(self, event: Event) -> None:
        self.events += 1
        for sink in self._sinks:
            sink.write(event)

    async def close(self) -> None:
        for sink in self._sinks:
            await sink.close()


def build_auditor(config: AuditConfig, clock: Clock) -> Auditor:
    """Raises ValueError or OSError for what cannot be used."""
    assert config.policy_file is not None
    sinks: list[Sink] = []
    policy = load_policy(config.policy_file)
    if config.log_path:
        sinks.append(LogFile(config.log_path, clock, style=config.log_format, max_mb=config.log_maxsize_mb,
                             max_backups=config.log_maxbackup, max_age_days=config.log_maxage_days))  # fmt: skip
    if config.webhook_config_file is not None:
        from pinnace.apiserver.kubeconfig_webhook import KubeconfigWebhook

        client = KubeconfigWebhook(config.webhook_config_file, clock)
        sinks.append(BatchedWebhook(client, clock, max_size=config.webhook_batch_max_size,
                                    max_wait_seconds=config.webhook_batch_max_wait_seconds))  # fmt: skip
    return Auditor(policy, tuple(sinks))
