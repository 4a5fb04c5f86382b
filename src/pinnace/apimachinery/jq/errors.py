"""What is wrong with a query, or with what it was given."""


class JqError(ValueError):
    """The query is not understood, or fails on this input."""
