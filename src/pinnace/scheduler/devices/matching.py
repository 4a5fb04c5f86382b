"""Does a device fit an ask: CEL selectors and taints. Answers of selectors are kept while the slices stay as they are."""

from collections.abc import Mapping
from typing import Any

from pinnace.api.resource import device_selectors
from pinnace.scheduler.devices.pools import Device, DeviceId
from pinnace.scheduler.devices.requests import Ask, CannotAllocate


class Matcher:
    def __init__(self) -> None:
        self._kept: dict[tuple[str, DeviceId], bool] = {}

    def fits(self, device: Device, ask: Ask) -> bool:
        """Raises CannotAllocate when a selector fails on the device."""
        if not is_supported(device) or any(not _is_tolerated(taint, ask) for taint in _taints(device)):
            return False
        return all(self._holds(expression, device, ask) for expression in ask.expressions)

    def _holds(self, expression: str, device: Device, ask: Ask) -> bool:
        key = (expression, device.id)
        if key not in self._kept:
            try:
                self._kept[key] = device_selectors.matches(expression, device.id.driver, device.body)
            except device_selectors.SelectorFailed as error:
                raise CannotAllocate(f"request {ask.name}: device {device.id}: {error}") from error
        return self._kept[key]


def is_supported(device: Device) -> bool:
    """Not those that several claims share in parts, nor those that are ready only when somebody says so."""
    return not device.body.get("allowMultipleAllocations") and not device.body.get("bindingConditions")


def _taints(device: Device) -> list[Mapping[str, Any]]:
    return [
        taint
        for taint in device.body.get("taints") or ()
        if taint.get("effect") in ("NoSchedule", "NoExecute")
    ]


def _is_tolerated(taint: Mapping[str, Any], ask: Ask) -> bool:
    return any(_tolerates(toleration, taint) for toleration in ask.tolerations)


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
