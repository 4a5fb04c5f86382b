"""The cluster as `pinnace.insight` asks for it: objects, events, logs, the scheduler's decisions."""

import json
from typing import Any

from pinnace.cli.errors import ServerError
from pinnace.cli.transport import Transport
from pinnace.cli.urls import quote

Object = dict[str, Any]
LOG_LINES = 20
PAGE = 500  # objects of one request, so that a large cluster is not asked for everything at once


class ClusterReader:
    """Implements `pinnace.insight.world.Reader` with the public API, and with the scheduler's pages where there are any."""

    def __init__(self, http: Transport, *, is_slim: bool = False) -> None:
        """`is_slim`: lists without managed fields, which take half the room; `why` does not look at them."""
        self._http, self._is_slim = http, is_slim

    def get(self, kind: Any, namespace: str, name: str) -> Object | None:
        try:
            found: Object = self._http.get(f"{_path(kind, namespace)}/{quote(name)}")
        except ServerError as error:
            if error.http_code == 404:
                return None
            raise
        return found

    def every(self, kind: Any, namespace: str) -> list[Object]:
        try:
            return self._pages(_path(kind, namespace), {})
        except ServerError as error:
            if error.http_code == 404:
                return []  # a cluster without this API has no such objects
            raise

    def events(self, namespace: str, fields: dict[str, str]) -> list[Object]:
        path = f"/api/v1/namespaces/{quote(namespace)}/events" if namespace else "/api/v1/events"
        selector = ",".join(f"{field}={value}" for field, value in fields.items())
        return self._pages(path, {"fieldSelector": selector} if selector else {})

    def log(self, namespace: str, pod: str, container: str, *, previous: bool) -> list[str]:
        query = {"container": container, "tailLines": str(LOG_LINES)}
        if previous:
            query["previous"] = "true"
        path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log"
        try:
            return self._http.raw("GET", path, query, accept="*/*").decode(errors="replace").splitlines()
        except ServerError as error:
            if error.http_code in (400, 404):
                return []  # no such container has run, or its log is gone
            raise

    def decision(self, namespace: str, pod: str) -> Object | None:
        path = f"/debug/scheduler/decisions/{quote(namespace)}/{quote(pod)}"
        found = self._http.get(path)
        return found if isinstance(found, dict) else None

    def version(self) -> str:
        return str((self._http.get("/version") or {}).get("gitVersion") or "")

    def contents(self, group: str, plural: str, namespace: str) -> list[Object]:
        api = "v1"
        if group:
            api = f"{group}/{self._http.get(f'/apis/{quote(group)}')['preferredVersion']['version']}"
        root = f"/apis/{api}" if group else f"/api/{api}"
        return self._pages(f"{root}/namespaces/{quote(namespace)}/{quote(plural)}", {})

    def spans(self, about: tuple[str, str, str], uids: list[str], node: str = "") -> Object | None:
        resource, namespace, name = about
        path = f"/api/v1/nodes/{quote(node)}/proxy" if node else ""
        query = {"resource": resource, "namespace": namespace, "name": name, "uid": ",".join(uids)}
        try:
            # a page of the part, not an object of the API, though the path of a node's begins as one's
            found = json.loads(self._http.raw("GET", f"{path}/debug/pinnace/trace", query))
        except ValueError:
            return None  # something else answers there
        except ServerError as error:
            if error.http_code == 404 or (error.http_code == 403 and not self._is_pinnace()):
                return None  # another cluster, or recording is off
            raise
        return found if isinstance(found, dict) else None

    def _is_pinnace(self) -> bool:
        return "pinnace" in self._http.get("/version").get("gitVersion", "")

    def _pages(self, path: str, query: dict[str, str]) -> list[Object]:
        found: list[Object] = []
        more = {"limit": str(PAGE)}
        while more:
            page = self._http.get(path, {**query, **more})
            items = page.get("items") or []
            found += map(_slim, items) if self._is_slim else items
            token = (page.get("metadata") or {}).get("continue")
            more = {"limit": str(PAGE), "continue": token} if token else {}
        return found


def _slim(obj: Object) -> Object:
    """Without what takes most room and says least here; of leases it says when they were written."""
    if "renewTime" not in (obj.get("spec") or {}):
        (obj.get("metadata") or {}).pop("managedFields", None)
    return obj


def _path(kind: Any, namespace: str) -> str:
    root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
    middle = f"/namespaces/{quote(namespace)}" if namespace and kind.namespaced else ""
    return f"{root}{middle}/{kind.plural}"
