"""Attaching to a container of a pod, and what `attach`, `run` and `debug` do around it: wait, warn, fall back to the logs."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from pinnace.cli import watching
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
SECTIONS = ("initContainers", "containers", "ephemeralContainers")
RECORDED = (
    "All commands and output from this session will be recorded in container logs, including credentials and sensitive "
    "information passed through the command prompt."
)


class Wish(NamedTuple):
    """How the user wants to be connected."""

    stdin: bool
    terminal: bool
    quiet: bool
    detach_keys: str = ""


def attach(session: Session, pod: Object, name: str, wish: Wish) -> None:
    """Until the container, or the user, ends it."""
    from pinnace.cli.detach_keys import parsed
    from pinnace.cli.remote_command import RemoteCommand

    container = container_named(pod, name)
    if container is None:
        raise CliError(
            f"cannot attach to the container: container {name} not found in pod {pod['metadata']['name']}"
        )
    has_terminal = bool(container.get("tty"))
    if wish.terminal and not has_terminal and not wish.quiet:
        warn(f"error: Unable to use a TTY - container {name} did not allocate one")
    raw = raw_terminal(wish._replace(terminal=has_terminal))
    keys = parsed(wish.detach_keys) if raw else b""
    if not wish.quiet:
        warn(RECORDED)
        warn("If you don't see a command prompt, try pressing enter.")
    remote = RemoteCommand(
        session.http, path_of(pod, "attach"), query_of(name, stdin=wish.stdin, raw=raw),
        stdin=wish.stdin, terminal=raw, redraw=True, detach_keys=keys,
    )  # fmt: skip
    remote.run()
    if raw and not wish.quiet:
        print(_ended(session, pod, name))


def attach_or_logs(session: Session, pod: Object, name: str, wish: Wish) -> None:
    """Of a container that was just started, and may have ended already."""
    try:
        attach(session, pod, name, wish)
    except CliError as error:
        about = pod["metadata"]["name"]
        warn(f"warning: couldn't attach to pod/{about}, falling back to streaming logs: {error}")
        print_logs(session, pod, name)


def print_logs(session: Session, pod: Object, name: str) -> None:
    stream = session.http.stream(path_of(pod, "log"), {"container": name}, accept="application/json, */*")
    try:
        for chunk in stream.chunks():
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    finally:
        stream.close()


def raw_terminal(wish: Wish) -> bool:
    """Whether keys go to the container as they are typed: it has a terminal, and so has the user."""
    if not (wish.stdin and wish.terminal):
        return False
    if not sys.stdin.isatty():
        if not wish.quiet:
            warn("Unable to use a TTY - input is not a terminal or the right kind of file")
        return False
    return True


def query_of(container: str, *, stdin: bool, raw: bool) -> list[tuple[str, str]]:
    return [
        ("container", container), ("stdout", "true"), *([("stdin", "true")] if stdin else []),
        ("tty" if raw else "stderr", "true"),
    ]  # fmt: skip


def path_of(pod: Object, verb: str) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/{verb}"


def container_named(pod: Object, name: str) -> Object | None:
    for section in SECTIONS:
        for container in pod["spec"].get(section) or ():
            if container["name"] == name:
                return dict(container)
    return None


def _ended(session: Session, pod: Object, name: str) -> str:
    metadata, spec = pod["metadata"], pod["spec"]
    again = f"'{session.program} attach {metadata['name']} -c {name} -n {metadata['namespace']} -i -t'"
    if any(container["name"] == name for container in spec.get("ephemeralContainers") or ()):
        return (
            f"Session ended, the ephemeral container will not be restarted but may be reattached using {again} "
            "if it is still running"
        )
    return f"Session ended, resume using {again} command"


# --- waiting


def wait_for(
    session: Session, pod: Object, done: Callable[[Object], bool], timeout: float | None = None
) -> Object:
    """The pod when it is so; TimeoutError, or ServerError when it has gone."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods"
    query = {"fieldSelector": f"metadata.name={metadata['name']}"}
    listed = session.http.get(path, query)
    for item in listed.get("items") or ():
        if done(item):
            return {"apiVersion": "v1", "kind": "Pod", **item}
    version = listed["metadata"]["resourceVersion"]
    for kind, found in watching.events(session.http, path, query, version, timeout=timeout):
        if kind == "DELETED":
            raise ServerError({"code": 404, "reason": "NotFound", "message": 'pods "" not found'})
        if done(found):
            return found
    raise AssertionError("watching does not end")


def status_of(pod: Object, name: str) -> Object | None:
    status = pod.get("status") or {}
    for section in STATUSES:
        for found in status.get(section) or ():
            if found["name"] == name:
                return dict(found)
    return None
