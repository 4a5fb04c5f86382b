import pytest

from pinnace.kubelet.image_reference import InvalidReference, normalise


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("me/app", "docker.io/me/app:latest"),
        ("localhost/app:x", "localhost/app:x"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest"),
        ("ghcr.io/a/b@sha256:" + "a" * 64, "ghcr.io/a/b@sha256:" + "a" * 64),
    ],
)
def test_full_names(image: str, expected: str) -> None:
    assert normalise(image) == expected


@pytest.mark.parametrize("image", ["", "UPPER", "a b", "x:", "-x", "a//b", "x@sha256:12", "nginx:ta g"])
def test_what_is_no_reference(image: str) -> None:
    with pytest.raises(InvalidReference):
        normalise(image)


def test_capital_letters_are_named() -> None:
    with pytest.raises(InvalidReference, match=r"repository name \(library/UPPER\) must be lowercase"):
        normalise("UPPER:1")
