"""VolumeAttributesClasses: settings of a volume that its driver can change while it is in use."""

from pinnace.api import fields
from pinnace.api.meta import Object
from pinnace.api.storage.csi_names import validate_driver_name, validate_parameters
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class VolumeAttributesClassStrategy(Strategy):
    def validate(self, obj: Object) -> list[Cause]:
        found = super().validate(obj) + list(validate_driver_name(obj.get("driverName"), "driverName"))
        return found + list(validate_parameters(obj.get("parameters"), "parameters", may_be_empty=False))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old)
        for field in ("driverName", "parameters"):
            if (new.get(field) or None) != (old.get(field) or None):
                found.append(fields.forbidden(field, f"updates to {field} are forbidden."))
        return found
