"""Volumes of huge pages: which size they have."""

from typing import Any

import pytest

from pinnace.kubelet.volumes.empty_dir import page_size
from pinnace.kubelet.volumes.plugin import MountError
from unit.kubelet.runtime_builders import make_pod


def asking(*sizes: str) -> dict[str, Any]:
    amounts = {f"hugepages-{size}": "4Mi" for size in sizes}
    return {"name": "c", "image": "i", "resources": {"requests": amounts, "limits": amounts}}


def test_the_size_is_the_mediums_or_the_only_one_that_is_requested() -> None:
    assert page_size("HugePages", make_pod(asking("2Mi"))) == "2M"
    assert page_size("HugePages-1Gi", make_pod(asking("2Mi", "1Gi"))) == "1G"
    whole = make_pod(resources={"requests": {"hugepages-2Mi": "4Mi"}})
    assert page_size("HugePages", whole) == "2M"


@pytest.mark.parametrize(
    ("medium", "sizes", "message"),
    [
        ("HugePages", (), "hugePages storage requested, but there is no resource request for huge pages"),
        ("HugePages", ("2Mi", "1Gi"), "more than one huge page size"),
        ("HugePages-1Gi", ("2Mi",), "is not requested"),
    ],
)
def test_a_size_that_nobody_requests_is_refused(medium: str, sizes: tuple[str, ...], message: str) -> None:
    with pytest.raises(MountError, match=message):
        page_size(medium, make_pod(asking(*sizes)))
