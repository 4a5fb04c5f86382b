"""`cp`: files and directories to and from containers, as a tar archive through exec; the container needs `tar`."""

import glob
import io
import os
import posixpath
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.pods_of import default_container
from pinnace.cli.remote_command import RemoteCommand
from pinnace.cli.session import Session, warn

Object = dict[str, Any]


class Place(NamedTuple):
    """A path here (no pod), or in a container of a pod."""

    namespace: str
    pod: str
    path: str


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) != 2:
        raise CliError("source and destination are required")
    source, target = (_place(text, session.namespace) for text in arguments)
    if source.pod and target.pod:
        raise CliError("one of src or dest must be a local file specification")
    if not source.path or not target.path:
        raise CliError("filepath can not be empty")
    if source.pod:
        _Download(session, flags, source, target.path).run()
    elif target.pod:
        _upload(session, flags, source.path, target)
    else:
        raise CliError("one of src or dest must be a remote file specification")
    return 0


def _place(text: str, namespace: str) -> Place:
    pod, colon, path = text.partition(":")
    if not colon:
        return Place("", "", text)
    parts = pod.split("/")
    if not pod or len(parts) > 2:
        raise CliError("filespec must match the canonical format: [[namespace/]pod:]file/path")
    return Place(parts[0] if len(parts) == 2 else namespace, parts[-1], path)


class _Exec:
    """Commands in the container that a place is in."""

    def __init__(self, session: Session, flags: Values, place: Place) -> None:
        self._http = session.http
        self._path = f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}"
        pod = self._http.get(self._path)
        phase = (pod.get("status") or {}).get("phase")
        if phase in ("Succeeded", "Failed"):
            raise CliError(f"cannot exec into a container in a completed pod; current phase is {phase}")
        self._container = flags["container"] or default_container(pod)

    def start(
        self, kind: "Callable[..., _Captured]", command: list[str], *, stdin: bool = False
    ) -> "_Captured":
        query = [("container", self._container), *(("command", word) for word in command)]
        query += [("stdout", "true"), ("stderr", "true"), *([("stdin", "true")] if stdin else [])]
        return kind(self._http, f"{self._path}/exec", query, stdin=stdin, terminal=False)


class _Captured(RemoteCommand):
    """A command whose output nobody sees."""

    def write_out(self, data: bytes) -> None:
        """Dropped."""

    def write_error(self, data: bytes) -> None:
        """Dropped."""


# --- to a container


class _Upload(_Captured):
    """Archive to standard input; what tar says is shown."""

    chunks: Iterator[bytes] = iter(())

    def read_in(self) -> Iterator[bytes]:
        yield from self.chunks

    def write_out(self, data: bytes) -> None:
        RemoteCommand.write_out(self, data)

    def write_error(self, data: bytes) -> None:
        RemoteCommand.write_error(self, data)


def _upload(session: Session, flags: Values, source: str, target: Place) -> None:
    if not os.path.exists(source):  # noqa: PTH110 (start-up time)
        raise CliError(f"{source} doesn't exist in local filesystem")
    container = _Exec(session, flags, target)
    path = posixpath.normpath(target.path)
    try:
        container.start(_Captured, ["test", "-d", target.path]).run()
        path = posixpath.join(path, os.path.basename(os.path.normpath(source)))  # noqa: PTH119
    except PlainError:
        pass  # it is no directory: the copy gets this name
    command = ["tar", "-xmf", "-"]
    if flags["no-preserve"]:
        command = ["tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-"]
    folder = posixpath.dirname(path)
    command += ["-C", folder] if folder else []
    upload = container.start(_Upload, command, stdin=True)
    assert isinstance(upload, _Upload)
    upload.chunks = _archive(source, posixpath.basename(path))
    upload.run()


def _archive(source: str, name: str) -> Iterator[bytes]:
    """Chunks of a tar archive, in which the source is called `name`."""
    buffer = _Buffer()
    with tarfile.open(mode="w|", fileobj=buffer, format=tarfile.GNU_FORMAT) as archive:
        for found in sorted(glob.glob(os.path.normpath(source))) or [os.path.normpath(source)]:  # noqa: PTH207
            for path, inner in _walk(found, name):
                entry = archive.gettarinfo(path, inner)
                if entry is None:
                    raise CliError(f"archive/tar: sockets not supported: {path}")
                if entry.isreg():
                    with open(path, "rb") as file:  # noqa: PTH123
                        archive.addfile(entry, file)
                else:
                    archive.addfile(entry)
                yield from buffer.taken()
    yield from buffer.taken()


class _Buffer(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []

    def write(self, data: Any) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        chunks, self._chunks = self._chunks, []
        return chunks


def _walk(path: str, name: str) -> Iterator[tuple[str, str]]:
    """(path here, name in the archive) of all files, of links, and of directories without files."""
    if os.path.islink(path) or not os.path.isdir(path):  # noqa: PTH112, PTH114
        yield path, name
        return
    inner = sorted(os.listdir(path))  # noqa: PTH208
    if not inner:
        yield path, name
    for entry in inner:
        yield from _walk(os.path.join(path, entry), posixpath.join(name, entry))  # noqa: PTH118


# --- from a container


class _Pipe(_Captured):
    """Archive from standard output into a pipe; what tar says goes to standard output, as kubectl has it."""

    target = -1

    def write_out(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.target, data) :]

    def write_error(self, data: bytes) -> None:
        RemoteCommand.write_out(self, data)


class _Download:
    def __init__(self, session: Session, flags: Values, source: Place, target: str) -> None:
        self._container = _Exec(session, flags, source)
        self._source, self._target, self._tries = source, target, flags["retries"]
        self._program = session.program
        self._failure: CliError | None = None
        self._warned = False
        self._copied: dict[str, str] = {}  # name in the archive -> path here, for hard links

    def run(self) -> None:
        reading, writing = os.pipe()
        thread = threading.Thread(target=self._fetch, args=(writing,), name="download", daemon=True)
        thread.start()
        try:
            with open(reading, "rb") as stream, tarfile.open(mode="r|", fileobj=stream) as archive:  # noqa: PTH123
                self._unpack(archive)
        except tarfile.ReadError as error:
            thread.join()
            raise self._failure or CliError(str(error)) from error
        thread.join()
        if self._failure is not None:
            raise self._failure

    def _fetch(self, writing: int) -> None:
        """The archive into the pipe; a connection that breaks is resumed as often as was asked for."""
        received, retry = 0, 0
        path = self._source.path

        class Counted(_Pipe):
            target = writing

            def write_out(self, data: bytes) -> None:
                nonlocal received
                received += len(data)
                super().write_out(data)

        try:
            while True:
                command = ["tar", "cf", "-", path]
                if self._tries:
                    command = ["sh", "-c", f"tar cf - {path} | tail -c+{received + 1 if retry else 0}"]
                archive = self._container.start(Counted, command)
                archive.run()
                if archive.has_ended or retry == self._tries:
                    return
                retry += 1
                print(f"Resuming copy at {received} bytes, retry {retry}/{self._tries}")
        except CliError as error:
            self._failure = error
        except BrokenPipeError:
            return  # the archive was refused; whoever reads says why
        finally:
            os.close(writing)

    def _unpack(self, archive: tarfile.TarFile) -> None:
        prefix = _without_shortcuts(posixpath.normpath(self._source.path.strip("/")))
        base = os.path.normpath(self._target)
        for entry in archive:
            if not entry.name.startswith(prefix):
                raise CliError("tar contents corrupted")
            path = os.path.normpath(base + "/" + entry.name[len(prefix) :])
            if path != base and not path.startswith(base.rstrip("/") + "/") and base != ".":
                warn(f'warning: file "{path}" is outside target destination, skipping')
                continue
            if base == "." and path.startswith(".."):
                warn(f'warning: file "{path}" is outside target destination, skipping')
                continue
            self._place(archive, entry, path)

    def _place(self, archive: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
        folder = os.path.dirname(path)  # noqa: PTH120
        if entry.isdir():
            folder = path
        if folder:
            os.makedirs(folder, 0o755, exist_ok=True)  # noqa: PTH103
        if entry.isdir():
            return
        if entry.issym():
            if not self._warned:
                place = self._source
                warn(
                    f'warning: skipping symlink: "{path}" -> "{entry.linkname}" (consider using "{self._program} exec -n '
                    f'"{place.namespace}" "{place.pod}" -- tar cf - "{place.path}" | tar xf -")'
                )
                self._warned = True
            return
        try:
            with open(path, "wb") as file:  # noqa: PTH123
                if entry.isreg() and (content := archive.extractfile(entry)) is not None:
                    shutil.copyfileobj(content, file)
                elif entry.islnk() and (earlier := self._copied.get(entry.linkname)):
                    with open(earlier, "rb") as other:  # noqa: PTH123
                        shutil.copyfileobj(other, file)
            self._copied[entry.name] = path
        except OSError as error:
            raise CliError(f"open {path}: {str(error.strerror).lower()}") from error


def _without_shortcuts(path: str) -> str:
    """Without `..` in front, which would lead out of the root."""
    while path.startswith("../"):
        path = path[3:]
    return "" if path in ("..", ".") else path.removeprefix("/")


CP = Command(
    run,
    (
        Flag("container", "c", help="Container name; the default container otherwise."),
        Flag("no-preserve", kind="bool", help="Do not preserve ownership and permissions in the container."),
        Flag("retries", kind="int", help="How often to resume a copy from a container; negative for ever."),
    ),
    "<file-spec-src> <file-spec-dest>",
    "Copy files and directories to and from containers.",
)
