from pinnace.apimachinery.short_cache import short_cache


def test_short_texts_are_remembered_and_long_ones_are_not() -> None:
    asked: list[str] = []

    @short_cache(8, longest=4)
    def length(text: str) -> int:
        asked.append(text)
        return len(text)

    assert [length("abcd"), length("abcd"), length("abcde"), length("abcde")] == [4, 4, 5, 5]
    assert asked == ["abcd", "abcde", "abcde"]
