"""Content types: what a body is, and in which form the client wants the answer (JSON, YAML, Table, metadata only).

Leaves out protobuf answers: asked for alone they are 406; a client that also accepts JSON gets JSON. Bodies may be protobuf.
"""

from dataclasses import dataclass
from functools import lru_cache

from pinnace.apimachinery import errors

JSON, YAML = "application/json", "application/yaml"
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
_META_VERSIONS = frozenset(("v1", "v1beta1"))
_ALL_TYPES = "application/json, application/yaml"


@dataclass(frozen=True, slots=True)
class Accepted:
    """One acceptable form of the answer. `form` is "" (the object itself), Table, PartialObjectMetadata or its List."""

    media: str = JSON
    form: str = ""
    meta_version: str = "v1"

    @property
    def is_yaml(self) -> bool:
        return self.media == YAML


PLAIN = Accepted()


@lru_cache(maxsize=256)
def negotiate(accept: str, *, forms: frozenset[str] = frozenset()) -> Accepted:
    """The first clause of an Accept header that we can serve; raises NotAcceptable. No header means JSON."""
    if not accept:
        return PLAIN
    for clause in sorted(map(_parse, accept.split(",")), key=lambda parsed: -parsed[2]):
        found = _match(*clause[:2], forms)
        if found is not None:
            return found
    raise errors.NotAcceptable(
        f"only the following media types are accepted: {_ALL_TYPES}",
    )


def _parse(clause: str) -> tuple[str, dict[str, str], float]:
    media, *rest = (part.strip() for part in clause.split(";"))
    parameters = {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in rest)}
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 0.0
    return media.lower(), parameters, quality


def _match(media: str, parameters: dict[str, str], forms: frozenset[str]) -> Accepted | None:
    if media in ("*/*", "application/*", JSON):
        kind = JSON
    elif media in (YAML, "text/yaml", "application/x-yaml"):
        kind = YAML
    else:
        return None
    form = parameters.get("as", "")
    if not form:
        return Accepted(kind)
    version = parameters.get("v", "")
    if parameters.get("g") != "meta.k8s.io" or version not in _META_VERSIONS or form not in forms:
        return None
    return Accepted(kind, form, version)


def body_media_type(content_type: str) -> str:
    """`Content-Type` without parameters; nothing means JSON."""
    return content_type.partition(";")[0].strip().lower() or JSON


def require_body_type(content_type: str, allowed: tuple[str, ...]) -> str:
    """The media type of the body; raises UnsupportedMediaType with upstream's sentence."""
    media = body_media_type(content_type)
    if media not in allowed:
        raise errors.UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(allowed)}"
        )
    return media
