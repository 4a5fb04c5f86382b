"""What auditing looks like in `/metrics`, under upstream's names."""

from collections.abc import Iterator

from pinnace.apiserver.audit.auditor import Auditor
from pinnace.component.metrics import Family


def metrics(auditor: Auditor) -> Iterator[Family]:
    yield Family("apiserver_audit_event_total", "Counter of audit events generated and sent to the audit backend.",
                 "counter", (), [((), auditor.events)])  # fmt: skip
    yield Family("apiserver_audit_level_total", "Counter of policy levels for audit events (1 per request).", "counter",
                 ("level",), [((level,), count) for level, count in auditor.levels.items()])  # fmt: skip
