"""Pods: graceful deletion, ephemeral containers, resizing."""

from typing import Any

from pinnace.api.core.pod_strategy import PodStrategy
from pinnace.apimachinery import errors
from pinnace.apiserver.registry.generic import Registry

Object = dict[str, Any]
_DEFAULT_GRACE_SECONDS = 30
_FINISHED = ("Succeeded", "Failed")


class PodRegistry(Registry):
    def grace_of(self, current: Object, asked: int | None) -> int:
        """How long the kubelet may take; nothing to wait for where no kubelet has the pod, or where it has ended."""
        spec = current.get("spec") or {}
        grace = (
            asked if asked is not None else spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
        )
        if not spec.get("nodeName") or (current.get("status") or {}).get("phase") in _FINISHED:
            return 0
        return max(1, grace) if grace < 0 else grace

    def _prepare_update(self, new: Object, current: Object, subresource: str) -> None:
        assert isinstance(self.strategy, PodStrategy)
        match subresource:
            case "ephemeralcontainers":
                self.strategy.prepare_ephemeral_containers_update(new, current)
            case "resize":
                self.strategy.prepare_resize(new, current)
            case _:
                super()._prepare_update(new, current, subresource)

    def _validate_update(self, new: Object, current: Object, subresource: str) -> list[errors.Cause]:
        assert isinstance(self.strategy, PodStrategy)
        match subresource:
            case "ephemeralcontainers":
                return self.strategy.validate_ephemeral_containers_update(new, current)
            case "resize":
                return self.strategy.validate_resize(new, current)
        return super()._validate_update(new, current, subresource)
