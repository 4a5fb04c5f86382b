"""Equal parts of many objects held once: what one manager owns, and the specs of one template, are the same in object after object.

Objects of a cache are never changed, so they may share. For caches that are loaded; objects that are written share already.
"""

from typing import Any

from pinnace.apimachinery.remembered import Remembered

_CONTAINERS = (dict, list)


class Sharing:
    def __init__(self) -> None:
        self._known: Remembered[Any] = Remembered(entries=1024)

    def share(self, obj: dict[str, Any]) -> None:
        """Replace parts by equal ones of earlier objects; the object reads as before, byte for byte."""
        for entry in obj["metadata"].get("managedFields") or ():
            if type(entry) is dict and type(owned := entry.get("fieldsV1")) is dict:
                entry["fieldsV1"] = self._one_of(owned)
        spec = obj.get("spec")
        if type(spec) is dict:
            for name, value in spec.items():
                if value and type(value) in _CONTAINERS:
                    spec[name] = self._one_of(value)

    def _one_of(self, value: Any) -> Any:
        key = self._known.key("", value)
        known = self._known.get(key)
        return self._known.put(key, value) if known is None else known
