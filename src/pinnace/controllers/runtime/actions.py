"""What a controller decides to do: plain data, yielded by a pure `reconcile`, carried out by the executor.

Rules of a pass: actions run in order; neighbours of one kind (creates of one kind of object, deletes, patches of different
objects of one kind) run together; after the first failure only `SetStatus` and `RequeueAfter` still run, and the key comes back with
`world.failure` set.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import BY_GVK
from pinnace.apimachinery.gvk import GVR
from pinnace.controllers.runtime.measures import Measure


def gvr_of(obj: Object) -> GVR:
    """The resource of an object of a built-in kind."""
    return BY_GVK[meta.gvk(obj)].gvr


@dataclass(frozen=True, slots=True)
class Wording:
    """What events say about a write, where a controller has sentences of its own."""

    done: tuple[str, str]  # (reason, message)
    failed: tuple[tuple[str, str], ...]  # (reason, what the error is put behind), one for each event


@dataclass(frozen=True, slots=True)
class Create:
    """Create `obj`. With `about`, events SuccessfulCreate and FailedCreate are recorded for that object."""

    obj: Object
    about: Object | None = None
    may_exist: bool = False  # AlreadyExists is success
    wording: Wording | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Replace `obj`, guarded by its resourceVersion. With `about` and `wording`, events are recorded for that object."""

    obj: Object
    about: Object | None = None
    wording: Wording | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge-patch `obj`. With `guarded`, its resourceVersion must still be the stored one; `strategic`: lists merge by key."""

    obj: Object
    body: dict[str, Any]
    subresource: str = ""
    guarded: bool = False
    strategic: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete exactly this `obj` (by uid). With `about`, events SuccessfulDelete and FailedDelete are recorded.

    With `guarded`, nothing happens unless its resourceVersion is still the stored one.
    """

    obj: Object
    about: Object | None = None
    propagation_policy: str = ""
    grace_period_seconds: int | None = None
    wording: Wording | None = None
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Replace the status of `obj`, guarded by its resourceVersion."""

    obj: Object
    status: Object


@dataclass(frozen=True, slots=True)
class Adopt:
    """Make `owner` the controller of `obj`, unless a fresh read shows that the owner is going away or was replaced."""

    obj: Object
    owner: Object
    finalizer: str = ""  # put on as well


@dataclass(frozen=True, slots=True)
class Release:
    """Take the controller reference to `owner` off `obj`."""

    obj: Object
    owner: Object
    finalizer: str = ""  # taken off as well


@dataclass(frozen=True, slots=True)
class Emit:
    """Record an event about an object. kind: Normal or Warning."""

    about: Object
    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Look at the key again after `seconds`, whatever happens before."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read `path` from the server and remember what `keep` makes of the answer as `fact` (None: there is no such thing).

    For what no informer holds. The key is looked at again at once, and finds it with `world.recall`.
    """

    fact: Hashable
    path: str
    keep: Callable[[Any], Hashable]


@dataclass(frozen=True, slots=True)
class Count:
    """Add to a number of `/metrics`, when all that the pass did before has been done."""

    measure: Measure
    labels: tuple[str, ...]
    by: int = 1


Action = Create | Update | Patch | Delete | SetStatus | Adopt | Release | Emit | RequeueAfter | Fetch | Count
