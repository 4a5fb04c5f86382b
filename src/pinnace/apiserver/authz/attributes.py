"""What an authorizer decides on."""

from dataclasses import dataclass

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.request_info import RequestInfo


@dataclass(frozen=True, slots=True)
class Attributes:
    user: User
    verb: str
    is_resource: bool
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""

    @classmethod
    def of(cls, user: User, info: RequestInfo) -> "Attributes":
        return cls(
            user, info.verb, info.is_resource, info.group, info.version, info.resource, info.namespace,
            info.name, info.subresource, info.path,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` explains an allowance in reviews, and is appended to a refusal."""

    allowed: bool
    reason: str = ""
    denied: bool = False


NO_OPINION = Decision(False)
