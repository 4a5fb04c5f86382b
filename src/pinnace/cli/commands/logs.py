"""`logs`: of a container, of all containers of a pod, of all pods that a selector or a workload finds."""

import queue
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from pinnace.cli import colours
from pinnace.cli.builder import list_query
from pinnace.cli.command import Command
from pinnace.cli.errors import CliError, PlainError, ServerError, not_found
from pinnace.cli.flags import Flag, Values
from pinnace.cli.pods_of import RUNNING_TIMEOUT, containers, default_container, pods_of
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
SELECTED_TAIL = 10


class Source(NamedTuple):
    pod: Object
    container: str
    colour: str = ""  # of the prefix, at a terminal

    @property
    def path(self) -> str:
        metadata = self.pod["metadata"]
        return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log"

    @property
    def prefix(self) -> bytes:
        text = f"[pod/{self.pod['metadata']['name']}/{self.container}]"
        return (f"{self.colour}{text}{colours.RESET} " if self.colour else f"{text} ").encode()


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    _check(session, flags, arguments)
    if len(arguments) == 2:
        flags["container"] = arguments[1]
    if flags["all-pods"]:
        flags["prefix"] = True  # else nobody could tell whose line is whose
    sources = _sources(session, flags, arguments)
    query = _query(flags)
    if flags["follow"] and len(sources) > 1:
        if len(sources) > flags["max-log-requests"]:
            raise CliError(
                f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is "
                f"{flags['max-log-requests']}, use --max-log-requests to increase the limit"
            )
        return _together(session, flags, sources, query)
    for source in sources:
        try:
            _copy(_chunks(session, source, query), source.prefix if flags["prefix"] else b"")
        except ServerError as error:
            if not flags["ignore-errors"]:
                raise
            print(f"error: {error}", file=sys.stderr)
    return 0


def _check(session: Session, flags: Values, arguments: list[str]) -> None:
    help_hint = f"\nSee '{session.path} -h' for help and examples"
    if (not arguments and not flags["selector"]) or len(arguments) > 2:
        raise PlainError(
            f"error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command{help_hint}"
        )
    if arguments and flags["selector"]:
        raise PlainError(f"error: only a selector (-l) or a POD name is allowed{help_hint}")
    if flags["since"] and flags["since-time"]:
        raise CliError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if len(arguments) == 2 and flags["container"]:
        raise CliError("only one of -c or an inline [CONTAINER] arg is allowed")
    if flags["limit-bytes"] < 0 or ("limit-bytes" in flags.given and not flags["limit-bytes"]):
        raise CliError("--limit-bytes must be greater than 0")
    if flags["since-time"] and not re.match(r"\d{4}-\d\d-\d\dT", flags["since-time"]):
        raise CliError(
            f'parsing time "{flags["since-time"]}" as "2006-01-02T15:04:05Z07:00": cannot parse "{flags["since-time"]}" as "2006"'
        )
    if "tail" in flags.given and flags["tail"] < -1:
        raise CliError("--tail must be greater than or equal to -1")
    if flags["all-containers"] and flags["container"]:
        raise CliError("--all-containers=true should not be specified with container name")


def _sources(session: Session, flags: Values, arguments: list[str]) -> list[Source]:
    if flags["selector"]:
        path = f"/api/v1/namespaces/{session.namespace}/pods"
        pods = session.http.get(path, list_query(flags)).get("items") or []
        if not pods:
            warn(f"No resources found in {session.namespace} namespace.")
    else:
        try:
            pods = pods_of(session, flags, arguments[0], "get the logs from")
        except ServerError as error:
            if not_found(error):
                raise CliError(
                    f'error from server (NotFound): {error} in namespace "{session.namespace}"'
                ) from error
            raise
        if not pods:
            raise CliError("timed out waiting for the condition")
        if len(pods) > 1 and not flags["all-pods"]:
            warn(f"Found {len(pods)} pods, using pod/{pods[0]['metadata']['name']}")
            pods = pods[:1]
    found = [source for pod in pods for source in _of_pod(flags, pod)]
    if not flags["prefix"] or not colours.are_wanted(sys.stdout):
        return found
    names = list(dict.fromkeys(source.pod["metadata"]["name"] for source in found))
    return [
        source._replace(colour=colours.of_pod(names.index(source.pod["metadata"]["name"])))
        for source in found
    ]


def _of_pod(flags: Values, pod: Object) -> list[Source]:
    names = containers(pod)
    if flags["all-containers"]:
        return [Source(pod, name) for name in names]
    wanted = flags["container"] or default_container(pod)
    if wanted not in names:
        raise CliError(f"container {wanted} is not valid for pod {pod['metadata']['name']}")
    return [Source(pod, wanted)]


def _query(flags: Values) -> dict[str, str]:
    query = {
        name: "true"
        for flag, name in (
            ("follow", "follow"),
            ("previous", "previous"),
            ("timestamps", "timestamps"),
            ("insecure-skip-tls-verify-backend", "insecureSkipTLSVerifyBackend"),
        )
        if flags[flag]
    }
    tail = flags["tail"]
    if "tail" not in flags.given and flags["selector"]:
        tail = SELECTED_TAIL
    if tail >= 0:
        query["tailLines"] = str(tail)
    if flags["limit-bytes"]:
        query["limitBytes"] = str(flags["limit-bytes"])
    if flags["since"]:
        query["sinceSeconds"] = str(max(1, round(flags["since"])))
    if flags["since-time"]:
        query["sinceTime"] = flags["since-time"]
    return query


def _chunks(session: Session, source: Source, query: dict[str, str]) -> Iterator[bytes]:
    stream = session.http.stream(
        source.path, {**query, "container": source.container}, accept="application/json, */*"
    )
    try:
        yield from stream.chunks()
    finally:
        stream.close()


def _copy(chunks: Iterator[bytes], prefix: bytes) -> None:
    out = sys.stdout.buffer
    fresh = True
    for chunk in chunks:
        if prefix:
            lines = chunk.splitlines(keepends=True)
            out.writelines(line if at == 0 and not fresh else prefix + line for at, line in enumerate(lines))
            fresh = chunk.endswith(b"\n")
        else:
            out.write(chunk)
        out.flush()


def _together(session: Session, flags: Values, sources: list[Source], query: dict[str, str]) -> int:
    """Follow several logs at a time; whole lines, so that they do not mix."""
    lines: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=1000)

    def follow(source: Source) -> None:
        try:
            stream = session.http.stream(source.path, {**query, "container": source.container}, accept="*/*")
            for line in stream.lines():
                lines.put(source.prefix + line if flags["prefix"] else line)
        except Exception as error:
            lines.put(error)
        finally:
            lines.put(None)

    for source in sources:
        threading.Thread(target=follow, args=(source,), daemon=True).start()
    open_streams = len(sources)
    while open_streams:
        item = lines.get()
        if item is None:
            open_streams -= 1
        elif isinstance(item, BaseException):
            if not flags["ignore-errors"]:
                raise item
            print(f"error: {item}", file=sys.stderr)
        else:
            sys.stdout.buffer.write(item)
            sys.stdout.buffer.flush()
    return 0


LOGS = Command(
    run,
    (
        Flag("follow", "f", kind="bool", help="Stream the logs."),
        Flag("previous", "p", kind="bool", help="Of the previous instance of the container."),
        Flag("container", "c", help="Of this container."),
        Flag("all-containers", kind="bool", help="Of all containers of the pod."),
        Flag("all-pods", kind="bool", help="Of all pods of the workload."),
        Flag("selector", "l", help="Of the pods that this label selector finds."),
        Flag("since", kind="duration", help="Only logs newer than a relative duration like 5s, 2m, or 3h."),
        Flag("since-time", help="Only logs after a date (RFC 3339)."),
        Flag(
            "tail",
            kind="int",
            default=-1,
            help="Lines of recent log to show; all by default, 10 with a selector.",
        ),
        Flag("timestamps", kind="bool", help="Show the time of each line."),
        Flag("limit-bytes", kind="int", help="Most bytes to return."),
        Flag("prefix", kind="bool", help="Put pod and container before each line."),
        Flag("max-log-requests", kind="int", default=5, help="Most logs to follow at a time."),
        Flag("ignore-errors", kind="bool", help="Go on when one log cannot be read."),
        Flag(
            "insecure-skip-tls-verify-backend",
            kind="bool",
            help="Do not check the certificate of the kubelet.",
        ),
        RUNNING_TIMEOUT._replace(default=20.0),
    ),
    "[-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]",
    "Print the logs of a container in a pod or specified resource.",
)
