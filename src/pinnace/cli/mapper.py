"""Which resource a user means: `po`, `pods`, `pod`, `deployments.v1.apps`, `all`, or the kind of a manifest.

Learned from the server's discovery (aggregated where it is offered) and kept in a file for six hours, as kubectl does;
a type that is not in the file is looked up again before it is refused.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from pinnace.cli import clock, json_text
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.transport import Transport
from pinnace.cli.urls import quote

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
KEPT_SECONDS = 6 * 3600.0
DISCOVERY_SECONDS = 32


class Resource(NamedTuple):
    group: str
    version: str
    name: str  # plural
    kind: str
    namespaced: bool
    singular: str
    short_names: list[str]
    verbs: list[str]
    categories: list[str]

    @property
    def qualified(self) -> str:
        """`deployments.apps`, or `pods`."""
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def shown(self) -> str:
        """What stands before a name in answers: `deployment.apps`, or `pod`."""
        singular = self.kind.lower()
        return f"{singular}.{self.group}" if self.group else singular

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace and self.namespaced:
            parts += ["namespaces", quote(namespace)]
        parts.append(self.name)
        if name:
            parts.append(quote(name))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


class Mapper:
    def __init__(self, http: Transport, cache_dir: str = "") -> None:
        self._http = http
        folder = cache_dir or os.path.join(os.path.expanduser("~"), ".kube", "cache")  # noqa: PTH118, PTH111 (start-up time)
        place = f"{http.host}_{http.port}{http.path.replace('/', '_')}"
        self._file = os.path.join(folder, "pinnace", f"{place}.json")  # noqa: PTH118
        self._resources: list[Resource] | None = None
        self._is_fresh = False

    def all(self, *, fresh: bool = False) -> list[Resource]:
        """Every resource of the server, in the order of its discovery; of each group the preferred version first."""
        if self._resources is None or (fresh and not self._is_fresh):
            kept = None if fresh else self._read()
            if kept is None:
                try:
                    kept = self._discover()
                except (KeyError, TypeError, AttributeError) as error:
                    raise CliError(
                        "couldn't get the server's API list: its discovery is not understood"
                    ) from error
                self._is_fresh = True
                self._write(kept)
            self._resources = [Resource(*row) for row in kept]
        return self._resources

    def find(self, text: str) -> Resource:
        """By plural, singular, short name or kind, in any case, with `.group` or `.version.group` behind it if given."""
        found = self.lookup(text)
        if found is not None:
            return found
        name = text.partition(".")[0]
        raise CliError(f'the server doesn\'t have a resource type "{name}"{self._meant(text)}')

    def lookup(self, text: str) -> Resource | None:
        """As `find`; None when there is no such type."""
        for fresh in (False, True):
            found = self._lookup(text.lower(), fresh=fresh)
            if found is not None:
                return found
        return None

    def _meant(self, text: str) -> str:
        """Types of nearly this name; to somebody at a terminal only, so that scripts read what kubectl says."""
        if not sys.stderr.isatty():
            return ""
        from pinnace.cli.suggestions import close_to, listed

        return listed(close_to(text, (row.name for row in self.all())))

    def category(self, text: str) -> list[Resource]:
        """The resources of a category such as `all`; empty when there is none of this name."""
        seen: set[tuple[str, str]] = set()
        found = []
        for row in self.all():
            if text in row.categories and (row.group, row.name) not in seen and "list" in row.verbs:
                seen.add((row.group, row.name))
                found.append(row)
        return found

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        return self._first(lambda row: row.kind == kind and row.api_version == api_version)

    def of_group_kind(self, group: str, kind: str) -> Resource | None:
        """In the group's preferred version."""
        return self._first(lambda row: row.kind == kind and row.group == group)

    def _first(self, fits: Callable[[Resource], bool]) -> Resource | None:
        """What was kept of discovery is asked first, then the server."""
        for fresh in (False, True):
            for row in self.all(fresh=fresh):
                if fits(row):
                    return row
        return None

    def _lookup(self, text: str, *, fresh: bool) -> Resource | None:
        name, _, rest = text.partition(".")
        rows = self.all(fresh=fresh)
        for matches in (_is_plural_or_singular, _is_short):
            for row in rows:
                if matches(row, name) and _in_group(row, rest):
                    return row
        return None

    # --- discovery

    def _discover(self) -> list[list[Any]]:
        rows = []
        for path in ("/api", "/apis"):
            answer = self._get(path, AGGREGATED)
            if answer.get("kind") == "APIGroupDiscoveryList":
                rows += _rows_of_groups(answer["items"])
            else:
                rows += self._one_by_one(answer)
        return rows

    def _get(self, path: str, accept: str) -> Any:
        query = {"timeout": f"{DISCOVERY_SECONDS}s"}
        return self._http.request("GET", path, query, accept=accept, timeout=DISCOVERY_SECONDS)

    def _one_by_one(self, answer: dict[str, Any]) -> list[list[Any]]:
        """For servers that do not offer aggregated discovery."""
        if "versions" in answer:
            versions = [("", version, f"/api/{version}") for version in answer["versions"]]
        else:
            versions = []
            for group in answer.get("groups") or ():
                preferred = (group.get("preferredVersion") or {}).get("version")
                names = sorted((v["version"] for v in group["versions"]), key=lambda name: name != preferred)
                versions += [(group["name"], name, f"/apis/{group['name']}/{name}") for name in names]
        rows = []
        for group_name, version, path in versions:
            try:
                resources = self._get(path, "application/json, */*").get("resources") or ()
            except ServerError:
                continue  # an aggregated API that does not answer must not hide the others
            rows += [
                [group_name, version, r["name"], r["kind"], r["namespaced"], r.get("singularName") or r["kind"].lower(),
                 r.get("shortNames") or [], r["verbs"], r.get("categories") or []]
                for r in resources if "/" not in r["name"]
            ]  # fmt: skip
        return rows

    def _read(self) -> list[list[Any]] | None:
        try:
            if clock.now() - os.stat(self._file).st_mtime > KEPT_SECONDS:  # noqa: PTH116 (start-up time)
                return None
            with open(self._file, "rb") as file:  # noqa: PTH123
                rows: list[list[Any]] = json_text.loads(file.read())
                return rows if _are_rows(rows) else None
        except (OSError, ValueError, RecursionError):
            return None

    def _write(self, rows: list[list[Any]]) -> None:
        scratch = f"{self._file}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._file), exist_ok=True)  # noqa: PTH103, PTH120
            with open(scratch, "wb") as file:  # noqa: PTH123
                file.write(json_text.dumps(rows))
            os.replace(scratch, self._file)  # noqa: PTH105
        except OSError:  # a read-only home only costs speed
            with contextlib.suppress(OSError):
                os.remove(scratch)  # noqa: PTH107


_TYPES = (str, str, str, str, bool, str, list, list, list)


def _are_rows(rows: Any) -> bool:
    """Whether a file, which anything may have written, is one of ours."""
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, list) and tuple(map(type, row)) == _TYPES for row in rows)
    )


def _rows_of_groups(groups: list[dict[str, Any]]) -> list[list[Any]]:
    rows = []
    for group in groups:
        name = group["metadata"].get("name", "")
        for version in group.get("versions") or ():
            for r in version.get("resources") or ():
                kind = (r.get("responseKind") or {}).get("kind", "")
                rows.append(
                    [name, version["version"], r["resource"], kind, r.get("scope") == "Namespaced",
                     r.get("singularResource") or kind.lower(), r.get("shortNames") or [], r.get("verbs") or [],
                     r.get("categories") or []]
                )  # fmt: skip
    return rows


def _is_plural_or_singular(row: Resource, name: str) -> bool:
    return name in (row.name, row.singular, row.kind.lower())


def _is_short(row: Resource, name: str) -> bool:
    return name in row.short_names


def _in_group(row: Resource, rest: str) -> bool:
    """`rest` is "", a group (or its beginning, as kubectl allows), or version.group."""
    if not rest or rest == row.group:
        return True
    version, _, group = rest.partition(".")
    return (version == row.version and group == row.group) or (bool(row.group) and row.group.startswith(rest))
