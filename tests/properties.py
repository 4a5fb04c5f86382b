"""`@examples(400)`: how many examples a property needs, for the usual run; `--hypothesis-profile` makes it fewer or more."""

from hypothesis import settings


def examples(count: int) -> settings:
    """Scaled by the profile in use: `quick` tries a quarter, `thorough` five times as many."""
    return settings(max_examples=max(1, count * settings.default.max_examples // 100))
