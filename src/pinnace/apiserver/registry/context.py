"""Facts about one write that reach from the edge to the registry."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pinnace.apiserver.authn.user import User

META = "meta.k8s.io/v1"


@dataclass(slots=True)
class WriteContext:
    user: User
    now: datetime
    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    field_validation: str = "Warn"  # Ignore, Warn, Strict
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # of the request's audit event
    asked_manager: str = ""  # `fieldManager` and `fieldValidation` as the client gave them
    asked_validation: str = ""

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def annotate(self, key: str, value: str) -> None:
        """The first value of a key stays, as upstream's audit context keeps it."""
        self.annotations.setdefault(key, value)

    def options(self, operation: str) -> dict[str, Any] | None:
        """CreateOptions or UpdateOptions as admission webhooks are told; None for what has none."""
        if operation not in ("CREATE", "UPDATE"):
            return None
        given: dict[str, Any] = {"kind": f"{operation.title()}Options", "apiVersion": META}
        if self.dry_run:
            given["dryRun"] = ["All"]
        if self.asked_manager:
            given["fieldManager"] = self.asked_manager
        if self.asked_validation:
            given["fieldValidation"] = self.asked_validation
        return given


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    orphan_dependents: bool | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    def as_object(self, _: str = "") -> dict[str, Any]:
        """As admission webhooks are told."""
        preconditions = {"uid": self.uid, "resourceVersion": self.resource_version}
        fields: dict[str, Any] = {
            "kind": "DeleteOptions",
            "apiVersion": META,
            "gracePeriodSeconds": self.grace_period_seconds,
            "preconditions": {key: value for key, value in preconditions.items() if value} or None,
            "orphanDependents": self.orphan_dependents,
            "propagationPolicy": self.propagation_policy or None,
            "dryRun": ["All"] if self.dry_run else None,
        }
        return {key: value for key, value in fields.items() if value is not None}
