"""What a template can do wrong."""


class TemplateError(ValueError):
    """The template cannot be parsed, or fails on this object."""


class MissingKey(TemplateError):
    """`text` is the chain of fields, as the template has it, on the way of which `key` is missing."""

    def __init__(self, text: str, key: str) -> None:
        super().__init__(f'map has no entry for key "{key}"')
        self.text = text
