"""The one place where the store's errors become API errors."""

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def api_errors(gvr: GVR, name: str = "") -> Iterator[None]:
    """Inside this block a StoreError leaves as the StatusError that upstream answers with."""
    try:
        yield
    except StoreError as error:
        raise _api_error(error, gvr, name) from error


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
