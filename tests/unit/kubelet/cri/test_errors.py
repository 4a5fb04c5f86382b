import pytest

from pinnace.kubelet.cri.runtime import CriError

REMOVING = 'failed to set removing state for container "7b01": container is already in removing state'


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [("NOT_FOUND", "", True), ("UNKNOWN", REMOVING, True), ("UNKNOWN", "failed to remove container", False)],
)
def test_a_removal_that_goes_on_already_is_no_error(code: str, message: str, expected: bool) -> None:
    """A kubelet that was killed while containerd removed a container asks for the same again."""
    assert CriError(code, message).is_done_already is expected
