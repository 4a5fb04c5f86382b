"""`why`: what keeps an object, or anything in the cluster, from working.

The rules are in `pinnace.insight`, reached by name, since parts never import each other. This module asks the cluster for them.
Exit codes: 0 nothing is wrong, 2 something was found, 1 the question could not be answered.
"""

import sys
from importlib import import_module
from typing import Any
from urllib.parse import quote

from pinnace.cli import clock
from pinnace.cli.builder import resolve
from pinnace.cli.command import FILES, SELECTION, Command
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session
from pinnace.cli.transport import Transport

Object = dict[str, Any]
LOG_LINES = 20
FOUND = 2
PAGE = 500  # objects of one request, so that a large cluster is not asked for everything at once


class ClusterReader:
    """Implements `pinnace.insight.world.Reader` with the public API, and with the scheduler's pages where there are any."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def get(self, kind: Any, namespace: str, name: str) -> Object | None:
        try:
            found: Object = self._http.get(f"{_path(kind, namespace)}/{quote(name, safe='')}")
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
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/events" if namespace else "/api/v1/events"
        selector = ",".join(f"{field}={value}" for field, value in fields.items())
        return self._pages(path, {"fieldSelector": selector} if selector else {})

    def log(self, namespace: str, pod: str, container: str, *, previous: bool) -> list[str]:
        query = {"container": container, "tailLines": str(LOG_LINES)}
        if previous:
            query["previous"] = "true"
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/log"
        try:
            return self._http.raw("GET", path, query, accept="*/*").decode(errors="replace").splitlines()
        except ServerError as error:
            if error.http_code in (400, 404):
                return []  # no such container has run, or its log is gone
            raise

    def decision(self, namespace: str, pod: str) -> Object | None:
        path = f"/debug/scheduler/decisions/{quote(namespace, safe='')}/{quote(pod, safe='')}"
        found = self._http.get(path)
        return found if isinstance(found, dict) else None

    def _pages(self, path: str, query: dict[str, str]) -> list[Object]:
        found: list[Object] = []
        more = {"limit": str(PAGE)}
        while more:
            page = self._http.get(path, {**query, **more})
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            more = {"limit": str(PAGE), "continue": token} if token else {}
        return found


def _path(kind: Any, namespace: str) -> str:
    root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
    middle = f"/namespaces/{quote(namespace, safe='')}" if namespace and kind.namespaced else ""
    return f"{root}{middle}/{kind.plural}"


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["output"] not in ("", "json"):
        raise CliError(
            f'unable to match a printer suitable for the output format "{flags["output"]}", allowed formats are: json'
        )
    is_json, reader = flags["output"] == "json", ClusterReader(session.http)
    insight = import_module("pinnace.insight.why")
    if arguments or flags["filename"]:
        objects = [obj for _, obj in resolve(session, arguments, flags)]
        if not objects:
            raise CliError(f"no resources found in {session.namespace} namespace")
        answer = insight.about_objects(objects, reader, clock.now(), ServerError, is_json=is_json)
    else:
        namespace = session.namespace if session.namespace_is_given and not flags["all-namespaces"] else ""
        if not session.http.get("/version"):
            raise CliError("the server does not say which version it has")
        answer = insight.about_everything(namespace, reader, clock.now(), ServerError, is_json=is_json)
    sys.stdout.write(answer.text)
    return FOUND if answer.is_found else 0


WHY = Command(
    run,
    (*FILES, *SELECTION, Flag("output", "o", help="json, for programs.")),
    "[TYPE NAME | TYPE/NAME | TYPE -l label | -f FILENAME]",
    "Say what keeps an object from working, or, without arguments, what does not work in the cluster (or in -n NAMESPACE).",
)  # fmt: skip
