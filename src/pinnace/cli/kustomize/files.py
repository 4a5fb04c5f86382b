"""Where a build may read: files in or below the directory of a kustomization, and other directories, but in no circle."""

import os

from pinnace.cli.kustomize.errors import BuildError, NotCovered

_REMOTE = ("http://", "https://", "git@", "git::", "ssh://", "file://", "github.com/", "gh:")


def is_remote(path: str) -> bool:
    return path.startswith(_REMOTE)


class Folder:
    """A directory with a kustomization. `visited` are those on the way to it."""

    def __init__(
        self,
        root: str,
        *,
        anywhere: bool = False,
        visited: tuple[str, ...] = (),
        helm_is_enabled: bool = False,
    ) -> None:
        self.root, self._anywhere, self._visited = root, anywhere, visited
        self.helm_is_enabled = helm_is_enabled

    @classmethod
    def at(cls, path: str, *, anywhere: bool = False, helm_is_enabled: bool = False) -> "Folder":
        return cls(_directory(path), anywhere=anywhere, helm_is_enabled=helm_is_enabled)

    def read(self, path: str) -> str:
        """Text; what is not UTF-8 keeps its bytes as surrogates."""
        return self.read_bytes(path).decode(errors="surrogateescape")

    def read_bytes(self, path: str) -> bytes:
        if is_remote(path):
            raise NotCovered(f"the remote source {path}")
        target = os.path.normpath(os.path.join(self.root, path))  # noqa: PTH118 (start-up time)
        real = _real(target, target)
        if os.path.isdir(real):  # noqa: PTH112
            raise BuildError(f"'{real}' must resolve to a file")
        if not self._anywhere and not f"{real}/".startswith(f"{self.root.rstrip('/')}/"):
            raise BuildError(f"security; file '{real}' is not in or below '{self.root}'")
        with open(real, "rb") as file:  # noqa: PTH123
            return file.read()

    def exists(self, path: str) -> bool:
        return os.path.isfile(os.path.join(self.root, path))  # noqa: PTH113, PTH118

    def enter(self, path: str) -> "Folder":
        """The directory of another kustomization."""
        if not path:
            raise BuildError("new root cannot be empty")
        if is_remote(path):
            raise NotCovered(f"the remote source {path}")
        if os.path.isabs(path):  # noqa: PTH117
            raise BuildError(f"new root '{path}' cannot be absolute")
        root = _directory(os.path.normpath(os.path.join(self.root, path)))  # noqa: PTH118
        for known in (self.root, *self._visited):
            if f"{known.rstrip('/')}/".startswith(f"{root.rstrip('/')}/"):
                raise BuildError(f"cycle detected: candidate root '{root}' contains visited root '{known}'")
        return Folder(
            root,
            anywhere=self._anywhere,
            visited=(self.root, *self._visited),
            helm_is_enabled=self.helm_is_enabled,
        )


def _directory(path: str) -> str:
    try:
        real = _real(path, path)
    except BuildError as error:
        raise BuildError(f"must build at directory: not a valid directory: {error}") from error
    if not os.path.isdir(real):  # noqa: PTH112
        raise BuildError(f"must build at directory: '{path}': file is not directory")
    return real


def _real(path: str, shown: str) -> str:
    """Links resolved; the message names the first part that is not there, as Go's does."""
    full = os.path.abspath(path)  # noqa: PTH100
    if os.path.exists(full):  # noqa: PTH110
        return os.path.realpath(full)
    at = "/"
    for part in full.strip("/").split("/"):
        at = os.path.join(at, part)  # noqa: PTH118
        if not os.path.lexists(at):
            break
    raise BuildError(f"evalsymlink failure on '{shown}' : lstat {at}: no such file or directory")
