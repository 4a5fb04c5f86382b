"""What a template can do wrong."""


class TemplateError(ValueError):
    """The template cannot be parsed, or fails on this object."""
