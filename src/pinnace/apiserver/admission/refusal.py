"""How a plugin says no: 403, with the object's name, or what its name will begin with."""

from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission


def refused(admission: Admission, why: str) -> errors.Forbidden:
    gvr = admission.resource.gvr
    return errors.forbidden(gvr.resource, name_of(admission), why, gvr.group)


def name_of(admission: Admission) -> str:
    if admission.name:
        return admission.name
    metadata = (admission.object or {}).get("metadata") or {}
    name: str = metadata.get("name") or metadata.get("generateName") or ""
    return name
