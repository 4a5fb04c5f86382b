"""Conversion of custom objects between versions: by name only, or by a webhook.

The webhook's protocol is ConversionReview v1:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-conversion
"""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pinnace.apimachinery import errors
from pinnace.apimachinery.copies import same
from pinnace.apimachinery.gvk import GVK
from pinnace.apiserver.registry.base import private_copy

if TYPE_CHECKING:
    from pinnace.apiserver.webhooks.client import WebhookClient

Object = dict[str, Any]
_SECONDS = 30.0
_VERSIONS = ("v1", "v1beta1")


class Converter(Protocol):
    async def convert(self, objects: Sequence[Object], to: GVK) -> list[Object]:
        """The objects in this version: the same object where it has it already, else another one."""
        ...


class ByName:
    """Strategy None: the versions differ in nothing but their names."""

    async def convert(self, objects: Sequence[Object], to: GVK) -> list[Object]:
        wanted = to.api_version
        return [obj if obj.get("apiVersion") == wanted else {**obj, "apiVersion": wanted} for obj in objects]


class ByWebhook:
    """One call for all objects that need it. A failure is an InternalError in upstream's words."""

    def __init__(self, client: "WebhookClient", webhook: Object, name: str = "") -> None:
        """`name` is that of the definition."""
        self._name = name
        self._client, self._config = client, webhook["clientConfig"]
        known = [name for name in webhook.get("conversionReviewVersions") or () if name in _VERSIONS]
        self._version = known[0] if known else "v1"

    async def convert(self, objects: Sequence[Object], to: GVK) -> list[Object]:
        wanted = to.api_version
        foreign = [obj for obj in objects if obj.get("apiVersion") != wanted]
        if not foreign:
            return list(objects)
        source = foreign[0]["apiVersion"].rpartition("/")[2]
        with self._client.conversion(self._name, source, to.version):
            converted = iter(await self._ask(foreign, to))
        return [obj if obj.get("apiVersion") == wanted else next(converted) for obj in objects]

    async def _ask(self, objects: list[Object], to: GVK) -> list[Object]:
        from pinnace.apiserver.webhooks.client import CallFailed

        kind = GVK(to.group, objects[0]["apiVersion"].rpartition("/")[2], to.kind)
        own, uid = f"{kind.api_version}, Kind={kind.kind}", str(uuid.uuid4())
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{self._version}",
            "request": {"uid": uid, "desiredAPIVersion": to.api_version, "objects": objects},
        }
        try:
            answer = await self._client.post(self._config, review, seconds=_SECONDS)
            found = self._read(answer, uid)
        except CallFailed as error:
            raise _failed(f"conversion webhook for {own} failed: {error}") from error
        if len(found) != len(objects):
            raise _failed(
                f"conversion webhook for {own} returned {len(found)} objects, expected {len(objects)}"
            )
        return [
            self._checked(index, new, old, to, own)
            for index, (new, old) in enumerate(zip(found, objects, strict=True))
        ]

    def _read(self, answer: Object, uid: str) -> list[Any]:
        from pinnace.apiserver.webhooks.client import CallFailed

        given = (answer.get("apiVersion"), answer.get("kind"))
        if self._version == "v1" and given != ("apiextensions.k8s.io/v1", "ConversionReview"):
            raise CallFailed(
                f"expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got {given[0]}, Kind={given[1]}"
            )
        response = answer.get("response")
        if not isinstance(response, dict):
            raise CallFailed("no response provided")
        if self._version == "v1" and response.get("uid") != uid:
            raise CallFailed(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
        result = response.get("result") or {}
        if result.get("status") != "Success":
            message = (
                result.get("message")
                or f"response.result.status was '{result.get('status', '')}', not 'Success'"
            )
            raise CallFailed(message)
        found = response.get("convertedObjects")
        return found if isinstance(found, list) else []

    def _checked(self, index: int, new: Any, old: Object, to: GVK, own: str) -> Object:
        """Of metadata only labels and annotations may have changed."""
        place = f"conversion webhook for {own} returned invalid converted object at index {index}"
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise _failed(f"{place}: missing metadata in converted object")
        if new.get("apiVersion") != to.api_version:
            raise _failed(
                f"{place}: invalid groupVersion (expected {to.api_version}, received {new.get('apiVersion')})"
            )
        if new.get("kind") != to.kind:
            raise _failed(f"{place}: invalid kind (expected {to.kind}, received {new.get('kind')})")
        for field in ("name", "namespace", "uid"):
            before, after = old["metadata"].get(field, ""), new["metadata"].get(field, "")
            if before != after:
                raise _failed(
                    f"{place}: must have the same {field.replace('uid', 'UID')}: {before} != {after}"
                )
        metadata = dict(old["metadata"])
        for field in ("labels", "annotations"):
            values = new["metadata"].get(field)
            if values is not None and not _is_text_map(values):
                raise _failed(f"{place}: metadata.{field} is not a map of strings")
            if not same(values or {}, old["metadata"].get(field) or {}):
                metadata[field] = values or {}
        return {**private_copy(new), "metadata": metadata}


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _failed(message: str) -> errors.InternalError:
    return errors.InternalError(message)
