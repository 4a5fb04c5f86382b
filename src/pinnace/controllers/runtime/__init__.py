"""What every controller shares: actions, the world it looks at, ownership, expectations, and the loop that runs it."""

from pinnace.api.meta import owner_reference as controller_ref
from pinnace.controllers.runtime.actions import (
    Action,
    Adopt,
    Count,
    Create,
    Delete,
    Emit,
    Fetch,
    Patch,
    Release,
    RequeueAfter,
    SetStatus,
    Update,
    Wording,
    gvr_of,
)
from pinnace.controllers.runtime.controller import Controller, owned_by, spec_changed
from pinnace.controllers.runtime.ownership import claim, selector_of
from pinnace.controllers.runtime.world import World

__all__ = [
    "Action",
    "Adopt",
    "Controller",
    "Count",
    "Create",
    "Delete",
    "Emit",
    "Fetch",
    "Patch",
    "Release",
    "RequeueAfter",
    "SetStatus",
    "Update",
    "Wording",
    "World",
    "claim",
    "controller_ref",
    "gvr_of",
    "owned_by",
    "selector_of",
    "spec_changed",
]
