"""Content types: what a body is, and in which form the client wants the answer (JSON, YAML, protobuf; Table, metadata only).

As upstream, Tables are never protobuf, and of kinds without a protobuf message only the metadata is. Leaves out
meta.k8s.io/v1beta1 in protobuf: such a clause is passed over.
"""

from dataclasses import dataclass
from functools import lru_cache

from pinnace.apimachinery import errors
from pinnace.apimachinery.protobuf import codec

JSON, YAML, PROTOBUF = "application/json", "application/yaml", codec.MEDIA_TYPE
TEXTS = (JSON, YAML)
EVERY = (JSON, YAML, PROTOBUF)
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
_META_VERSIONS = frozenset(("v1", "v1beta1"))


@dataclass(frozen=True, slots=True)
class Accepted:
    """One acceptable form of the answer. `form` is "" (the object itself), Table, PartialObjectMetadata or its List."""

    media: str = JSON
    form: str = ""
    meta_version: str = "v1"

    @property
    def is_yaml(self) -> bool:
        return self.media == YAML

    @property
    def is_protobuf(self) -> bool:
        return self.media == PROTOBUF


PLAIN = Accepted()


@lru_cache(maxsize=256)
def media_of(api_version: str, kind: str) -> tuple[str, ...]:
    """What objects of a kind can be served as."""
    return EVERY if codec.is_known(api_version, kind) else TEXTS


@lru_cache(maxsize=512)
def negotiate(
    accept: str, *, forms: frozenset[str] = frozenset(), offered: tuple[str, ...] = TEXTS
) -> Accepted:
    """The first clause of an Accept header that we can serve; raises NotAcceptable. No header means JSON."""
    if not accept:
        return PLAIN
    for clause in sorted(map(_parse, accept.split(",")), key=lambda parsed: -parsed[2]):
        found = _match(*clause[:2], forms, offered)
        if found is not None:
            return found
    raise errors.NotAcceptable(f"only the following media types are accepted: {', '.join(offered)}")


def _parse(clause: str) -> tuple[str, dict[str, str], float]:
    media, *rest = (part.strip() for part in clause.split(";"))
    parameters = {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in rest)}
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 0.0
    return media.lower(), parameters, quality


def _match(
    media: str, parameters: dict[str, str], forms: frozenset[str], offered: tuple[str, ...]
) -> Accepted | None:
    if media in ("*/*", "application/*"):
        media = JSON
    elif media in ("text/yaml", "application/x-yaml"):
        media = YAML
    form = parameters.get("as", "")
    if not form:
        return Accepted(media) if media in offered else None
    version = parameters.get("v", "")
    if parameters.get("g") != "meta.k8s.io" or version not in _META_VERSIONS or form not in forms:
        return None
    if media == PROTOBUF:
        return Accepted(media, form) if form != TABLE and version == "v1" else None
    return Accepted(media, form, version) if media in offered else None


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
