"""Network errors in Go's words, which people know from upstream's events."""

import errno
import os

_GO_WORDS = {errno.ETIMEDOUT: "connection timed out"}


def os_error_text(error: OSError) -> str:
    """`connection refused`, `no route to host`: strerror in lower case, as Go's syscall.Errno prints it."""
    code = error.errno if error.errno and error.errno > 0 else None
    if code is None:
        return str(error).lower() or type(error).__name__
    return _GO_WORDS.get(code) or os.strerror(code).lower()


def dial_error(address: str, error: OSError) -> str:
    """`dial tcp 10.42.0.5:8080: connect: connection refused`."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"dial tcp {address}: i/o timeout"
    return f"dial tcp {address}: connect: {os_error_text(error)}"
