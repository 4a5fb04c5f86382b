"""Facts about one write that reach from the edge to the registry."""

from dataclasses import dataclass, field
from datetime import datetime

from pinnace.apiserver.authn.user import User


@dataclass(slots=True)
class WriteContext:
    user: User
    now: datetime
    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    field_validation: str = "Warn"  # Ignore, Warn, Strict
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    orphan_dependents: bool | None = None
    uid: str = ""
    resource_version: str = ""
