"""ResourceClaim controller: `templates` makes the claims that pods want from a template, `claims` looks after reservations.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/resourceclaim/controller.go
"""

from pinnace.controllers.resourceclaim.claims import CLAIMS
from pinnace.controllers.resourceclaim.templates import TEMPLATES

__all__ = ["CLAIMS", "TEMPLATES"]
