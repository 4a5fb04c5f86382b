"""Image references: `nginx` means `docker.io/library/nginx:latest`. Pure.

Grammar: https://github.com/distribution/reference/blob/main/reference.go
"""

import re

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_TAG = r"[\w][\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"^((?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)(?::({_TAG}))?(?:@({_DIGEST}))?$", re.ASCII
)
_IDENTIFIER = re.compile(r"^[a-f0-9]{64}$")


class InvalidReference(ValueError):
    """Not an image reference; the message is the distribution project's."""


def split_domain(name: str) -> tuple[str, str]:
    """(registry, rest); without a registry it is Docker Hub, and a bare name lies in its `library`."""
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        domain, path = "docker.io", name
    else:
        domain, path = first, rest
    if domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in path:
        path = f"library/{path}"
    return domain, path


def normalise(image: str) -> str:
    """The full reference with a tag or digest; raises InvalidReference."""
    if _IDENTIFIER.match(image):
        raise InvalidReference(
            f"invalid repository name ({image}), cannot specify 64-byte hexadecimal strings"
        )
    domain, path = split_domain(image)
    repository = path.partition("@")[0]
    if ":" in repository.rpartition("/")[2]:
        repository = repository[: repository.rindex(":")]
    if repository.lower() != repository:
        raise InvalidReference(f"invalid reference format: repository name ({repository}) must be lowercase")
    match = _REFERENCE.match(f"{domain}/{path}")
    if not match:
        raise InvalidReference("invalid reference format")
    if match[2] or match[3]:
        return match[0]
    return f"{match[0]}:latest"
