"""Errors whose text is meant for the user as it stands."""


class UsageError(Exception):
    """A flag, a configuration file or a data directory cannot be used."""


class ImageError(Exception):
    """The image cannot be read, loaded or removed; the message is for the user."""
