"""What a command ends with when it cannot go on, and the words in which kubectl says so."""

from typing import Any


class CliError(Exception):
    """`error: <message>` on standard error; `code` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code

    def text(self) -> str:
        return f"error: {self}"

    def among_others(self) -> str:
        """The text when several errors are shown one below the other."""
        return str(self)


class UsageError(CliError):
    """A wrong flag or argument, with a pointer to the help of `command`."""

    def __init__(self, message: str, command: str = "") -> None:
        super().__init__(message)
        self.command = command

    def text(self) -> str:
        return f"error: {self}\nSee '{self.command} --help' for usage." if self.command else f"error: {self}"


class PlainError(CliError):
    """A message without the `error:` in front."""

    def text(self) -> str:
        return str(self)


class ServerError(CliError):
    """The server answered with a Status."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__(status.get("message") or "")
        self.status = status
        self.reason: str = status.get("reason") or ""
        self.http_code: int = status.get("code") or 500

    def text(self) -> str:
        if self.reason == "Unauthorized":
            return f"error: You must be logged in to the server ({self})"
        if self.reason == "Invalid":
            return self._invalid()
        return f"Error from server ({self.reason}): {self}" if self.reason else f"Error from server: {self}"

    def _invalid(self) -> str:
        details = self.status.get("details") or {}
        causes = details.get("causes") or []
        subject = "The request is invalid"
        if details.get("kind") or details.get("name"):
            subject = f'The {details.get("kind", "")} "{details.get("name", "")}" is invalid'
        elif not causes:
            subject = f"{subject}: {self}"
        found = list(
            dict.fromkeys(f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes)
        )
        if not found:
            return subject
        return (
            f"{subject}: {found[0]}"
            if len(found) == 1
            else f"{subject}: \n" + "\n".join(f"* {f}" for f in found)
        )

    def among_others(self) -> str:
        return f"Error from server ({self.reason}): {self}" if self.reason else self.text()

    def prefixed(self, prefix: str) -> str:
        """The text with the name of what it is about put in, as kubectl does for files."""
        return f"Error from server ({self.reason}): {prefix}: {self}" if self.reason else f"{prefix}: {self}"


class FileError(CliError):
    """What the server said about an object of a file; `doing` is e.g. `error when creating "a.yaml"`."""

    def __init__(self, error: ServerError, doing: str) -> None:
        super().__init__(f"{doing}: {error}")
        self._error, self._doing = error, doing

    def text(self) -> str:
        return self._error.text() if self._error.reason == "Invalid" else self.among_others()

    def among_others(self) -> str:
        return self._error.prefixed(self._doing)


def not_found(error: CliError) -> bool:
    return isinstance(error, ServerError) and error.reason == "NotFound"


def is_invalid(error: CliError) -> bool:
    return isinstance(error, ServerError) and error.reason == "Invalid"


def told(error: CliError, url: str = "") -> str:
    """Within another sentence. Of a server that could not be reached: what was asked of it, and why it was not."""
    say = getattr(error, "told", None)
    return str(say(url)) if say else str(error)
