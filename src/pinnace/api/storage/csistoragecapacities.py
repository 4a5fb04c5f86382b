"""CSIStorageCapacities: how much a driver can still provision in one part of the topology."""

from pinnace.api import fields, label_selectors, names
from pinnace.api.core.container_defaults import canonical
from pinnace.api.meta import Object
from pinnace.api.storage.csi_names import validate_amount
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause


class CSIStorageCapacityStrategy(Strategy):
    def set_defaults(self, obj: Object) -> None:
        for field in ("capacity", "maximumVolumeSize"):
            if field in obj:
                obj[field] = canonical(obj[field])

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + _validate(obj)

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + _validate(new)
        for field in ("nodeTopology", "storageClassName"):
            found += fields.immutable(field, new.get(field), old.get(field))
        return found


def _validate(obj: Object) -> list[Cause]:
    name = obj.get("storageClassName") or ""
    found = fields.all_invalid("storageClassName", name, names.dns_subdomain(name))
    found += label_selectors.validate(obj.get("nodeTopology"), "nodeTopology")
    for field in ("capacity", "maximumVolumeSize"):
        found += validate_amount(obj.get(field), field)
    return found
