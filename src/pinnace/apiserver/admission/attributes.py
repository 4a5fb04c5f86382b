"""What an admission plugin sees of one write."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pinnace.api.resources import Resource
from pinnace.apiserver.authn.user import User

Object = dict[str, Any]
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class Admission:
    """`object` is None on DELETE; plugins in the mutating phase may change it in place. `old` is read-only."""

    operation: Operation
    resource: Resource
    user: User
    now: datetime
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    object: Object | None = None
    old: Object | None = None
    dry_run: bool = False
    options: Object = field(default_factory=dict)
    warn: Callable[[str], None] = lambda _: None

    def is_for(self, resource: str, group: str = "", subresource: str = "") -> bool:
        gvr = self.resource.gvr
        return gvr.resource == resource and gvr.group == group and self.subresource == subresource

    def is_create_of(self, resource: str, group: str = "") -> bool:
        return self.operation == "CREATE" and self.is_for(resource, group)
