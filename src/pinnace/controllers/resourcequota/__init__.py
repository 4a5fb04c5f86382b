"""ResourceQuota controller: `status.hard` follows the spec, `status.used` follows what is there.

Admission charges what is created; this controller gives back what is gone. `usage` counts and decides, purely; `controller` watches
whatever resources the quotas of the cluster name, custom ones too, and nothing else.
"""

from pinnace.controllers.resourcequota.controller import ResourceQuotaController

__all__ = ["ResourceQuotaController"]
