"""What ends a build."""

from collections.abc import Iterator
from contextlib import contextmanager

from pinnace.cli.errors import CliError


class BuildError(CliError):
    """The message is upstream's; each level of the recursion puts its own words in front."""


class MalformedYaml(BuildError):
    """The file cannot be parsed: then it is not tried as a directory."""


class Undecorated(BuildError):
    """No level adds its words."""


class NotCovered(Undecorated):
    """A field or a source that upstream knows and this build does not."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not supported by this kustomize (docs/kustomize.md says what is)")


@contextmanager
def wording(words: str, *, quoted: bool = False) -> Iterator[None]:
    """Puts `words: ` in front of what a build error says."""
    try:
        yield
    except Undecorated:
        raise
    except BuildError as error:
        message = str(error)
        if quoted:
            import json

            message = json.dumps(message, ensure_ascii=False)
        raise type(error)(f"{words} {message}" if quoted else f"{words}: {message}") from error


@contextmanager
def configuring(plugin: str, config: object) -> Iterator[None]:
    """What is wrong with the configuration of one step, which is shown."""
    try:
        yield
    except Undecorated:
        raise
    except BuildError as error:
        from pinnace.cli.printers.yaml_text import dump

        shown = dump(config)
        message = f"{error}\n{shown.rstrip()}" if str(error).endswith(" in") else str(error)
        raise BuildError(
            f"trouble configuring builtin {plugin} with config: `\n{shown}`: {message}"
        ) from error
