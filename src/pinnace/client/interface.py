"""The one interface through which every part talks to the API.

Two implementations: `pinnace.client.rest.RestClient` (HTTPS) and `pinnace.apiserver.local_client.LocalClient`
(in process, same pipeline, no sockets). Objects are plain dicts; what `get`, `list` and `watch` return may be shared
with caches and must never be changed: copy first (`pinnace.api.meta.mutable_copy`).
All methods raise `pinnace.apimachinery.errors.StatusError` subclasses for an answer of the server and
`ConnectionError` or `TimeoutError` when there was none.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from pinnace.apimachinery.gvk import GVR

Object = dict[str, Any]
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class WatchEvent(NamedTuple):
    type: EventType
    object: Object


class Client(Protocol):
    """`namespace` is None for cluster-scoped resources and for lists over all namespaces."""

    async def get(
        self, gvr: GVR, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Object: ...

    async def list(
        self,
        gvr: GVR,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> Object:
        """The List object: `metadata.resourceVersion`, `metadata.continue`, `items` (each with kind and apiVersion)."""
        ...

    def watch(
        self,
        gvr: GVR,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        bookmarks: bool = True,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events after `resource_version`; ends when the server closes the watch; raises Expired when it is too old."""
        ...

    async def create(
        self,
        gvr: GVR,
        body: Object,
        namespace: str | None = None,
        *,
        name: str = "",
        subresource: str = "",
        field_manager: str = "",
        dry_run: bool = False,
    ) -> Object:
        """`name` only with `subresource` (binding, eviction, token)."""
        ...

    async def update(
        self, gvr: GVR, body: Object, *, subresource: str = "", field_manager: str = "", dry_run: bool = False
    ) -> Object:
        """Replace; name and namespace are read from `body.metadata`; its resourceVersion guards against lost updates."""
        ...

    async def patch(
        self,
        gvr: GVR,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        content_type: str = MERGE_PATCH,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Object: ...

    async def delete(
        self,
        gvr: GVR,
        name: str,
        namespace: str | None = None,
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> Object: ...

    async def delete_collection(
        self, gvr: GVR, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Object: ...

    async def raw(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """Any other path (discovery, /readyz, proxies): the decoded JSON, or text when it is not JSON."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class ActsFor(Protocol):
    """A client that gives others, with other people's rights. Audit and managed fields name the same program."""

    def acting_as(self, user: str, groups: tuple[str, ...]) -> Client: ...
