import pytest

from pinnace.component.features import LOCKED, parse_gates


def test_asking_for_what_is_there_is_fine() -> None:
    assert parse_gates("") == {}
    assert parse_gates("WatchList=true, ImageVolume=True") == {"WatchList": True, "ImageVolume": True}
    assert parse_gates(",".join(f"{name}={value}" for name, value in LOCKED.items())) == LOCKED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Nope=true", "unrecognized feature gate: Nope"),
        ("WatchList", "missing bool value for WatchList"),
        ("WatchList=maybe", "invalid value of WatchList=maybe"),
        ("WatchList=false", "cannot set feature gate WatchList to false, feature is locked to true"),
        (
            "UserNamespacesSupport=true",
            "cannot set feature gate UserNamespacesSupport to true, feature is locked to false",
        ),
    ],
)
def test_anything_else_is_refused_in_upstreams_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_gates(text)
