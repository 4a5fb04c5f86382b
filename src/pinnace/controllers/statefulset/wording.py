"""What a StatefulSet's events say about its pods and claims: upstream's sentences."""

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.controllers.runtime import Create, Delete, Emit, Update, Wording


def _told(ss: Object, verb: str, subject: str) -> Wording:
    where = f"in StatefulSet {meta.name(ss)}"
    return Wording(
        (f"Successful{verb.title()}", f"{verb} {subject} {where} successful"),
        ((f"Failed{verb.title()}", f"{verb} {subject} {where} failed error: "),),
    )


def create_pod(ss: Object, pod: Object) -> Create:
    return Create(pod, about=ss, wording=_told(ss, "create", f"Pod {meta.name(pod)}"))


def delete_pod(ss: Object, pod: Object) -> Delete:
    return Delete(pod, about=ss, wording=_told(ss, "delete", f"Pod {meta.name(pod)}"))


def update_pod(ss: Object, pod: Object) -> Update:
    return Update(pod, about=ss, wording=_told(ss, "update", f"Pod {meta.name(pod)}"))


def pod_updated(ss: Object, pod: Object) -> Emit:
    """The pod's claims were."""
    return Emit(ss, "Normal", *_told(ss, "update", f"Pod {meta.name(pod)}").done)


def pod_not_made(ss: Object, name: str, why: str) -> Emit:
    ((reason, start),) = _told(ss, "create", f"Pod {name}").failed
    return Emit(ss, "Warning", reason, start + why)


def create_claim(ss: Object, claim: Object, pod: str) -> Create:
    """A claim that cannot be made is told of twice: as a claim, and as the pod that has to wait for it."""
    name, where = meta.name(claim), f"in StatefulSet {meta.name(ss)}"
    wording = Wording(
        ("SuccessfulCreate", f"create Claim {name} Pod {pod} {where} success"),
        (
            ("FailedCreate", f"create Claim {name} for Pod {pod} {where} failed error: "),
            ("FailedCreate", f"create Pod {pod} {where} failed error: failed to create PVC {name}: "),
        ),
    )
    return Create(claim, about=ss, may_exist=True, wording=wording)


def conflicting_controller(ss: Object, claim: Object) -> Emit:
    message = (
        f"PersistentVolumeClaim {meta.name(claim)} has a conflicting OwnerReference that acts as a manging controller, "
        "the retention policy is ignored for this claim"
    )
    return Emit(ss, "Warning", "ConflictingController", message)
