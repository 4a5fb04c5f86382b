"""ControllerRevisions: immutable snapshots of a controller's template."""

from pinnace.api import fields, normalise
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class ControllerRevisionStrategy(Strategy):
    def drop_absent(self, obj: Object) -> None:
        normalise.drop_absent({key: value for key, value in obj.items() if key != "data"})

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + _validate_own(obj)

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + _validate_own(new)
        return found + fields.immutable("data", new.get("data"), old.get("data"))


def _validate_own(obj: Object) -> list[Cause]:
    missing = [] if obj.get("data") is not None else [fields.required("data", "data is mandatory")]
    return missing + fields.non_negative("revision", obj.get("revision", 0))
