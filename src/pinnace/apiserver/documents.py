"""Objects that are no stored items (Status, reviews, Scale, ...) as answers in the negotiated content type."""

from typing import Any

import orjson

from pinnace.apimachinery.protobuf import codec
from pinnace.apiserver.bodies import encode_yaml
from pinnace.apiserver.negotiation import Accepted
from pinnace.apiserver.request import Response


def whole(body: bytes, accepted: Accepted, status: int = 200) -> Response:
    """JSON bytes as they are, or as YAML."""
    if accepted.is_yaml:
        return Response(encode_yaml(body), status, accepted.media)
    return Response(body, status)


def document(obj: Any, accepted: Accepted, status: int = 200) -> Response:
    if accepted.is_protobuf:
        return Response(codec.encode_object(obj), status, accepted.media)
    return whole(orjson.dumps(obj), accepted, status)
