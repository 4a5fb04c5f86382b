"""Devices for pods (dynamic resource allocation): which there are, which fit a claim, and which are taken.

`pools` reads ResourceSlices, `matching` asks selectors, `requests` reads what a claim asks for, `allocator` searches,
`allocations` writes the result, `inventory` keeps what the API says together with what is being written, and `planner` puts
it together for a pod and a node. All of it is imported with the first pod that has a claim.
"""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pinnace.scheduler.devices.inventory import Inventory
    from pinnace.scheduler.devices.planner import Planner


NO_DEVICES = "cannot allocate all claims"


class Devices:
    """What one scheduler knows of devices, made when it is asked for."""

    @cached_property
    def inventory(self) -> "Inventory":
        from pinnace.scheduler.devices.inventory import Inventory

        return Inventory()

    @cached_property
    def planner(self) -> "Planner":
        from pinnace.scheduler.devices.planner import Planner

        return Planner(self.inventory)
