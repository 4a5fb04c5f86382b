"""The one place where the store's errors become API errors."""

from types import TracebackType

from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.store.backend import (
    Compacted,
    FutureRevision,
    KeyExists,
    KeyNotFound,
    OutcomeUnknown,
    RevisionMismatch,
    StoreError,
    StoreFull,
    StoreUnavailable,
)


class api_errors:  # noqa: N801 - reads as the context manager that it is; a generator costs three times as much
    """Inside this block a StoreError leaves as the StatusError that upstream answers with."""

    __slots__ = ("_gvr", "_name")

    def __init__(self, gvr: GVR, name: str = "") -> None:
        self._gvr, self._name = gvr, name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, StoreError):
            raise _api_error(error, self._gvr, self._name) from error


def _api_error(error: StoreError, gvr: GVR, name: str) -> errors.StatusError:
    match error:
        case KeyExists():
            return errors.already_exists(gvr.resource, name, gvr.group)
        case KeyNotFound():
            return errors.not_found(gvr.resource, name, gvr.group)
        case RevisionMismatch():
            return errors.conflict(gvr.resource, name, errors.OBJECT_MODIFIED, gvr.group)
        case Compacted():
            return errors.Expired(f"too old resource version: {error.requested} ({error.compacted})")
        case FutureRevision():
            return errors.Timeout(
                f"Timeout: Too large resource version: {error.requested}, current: {error.current}",
                retry_after_seconds=1,
            )
        case StoreFull():
            return errors.InternalError(f"Internal error occurred: the store cannot write: {error}")
        case OutcomeUnknown():
            return errors.Timeout(
                f"the store did not confirm the write, which may or may not be done: {error}"
            )
        case StoreUnavailable():
            return errors.ServiceUnavailable(f"the store is not available: {error}", retry_after_seconds=1)
    return errors.InternalError(f"Internal error occurred: {error}")
