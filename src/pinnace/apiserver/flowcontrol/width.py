"""How many seats a request takes: one, or for a list as many as its size is worth.

Rule: https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apiserver/pkg/util/flowcontrol/request/list_work_estimator.go
"""

from pinnace.apiserver.request import Request

MAXIMUM_SEATS = 10
OBJECTS_PER_SEAT = 100


def seats_of(request: Request) -> int:
    info = request.info
    if info.verb != "list" or not info.is_resource:
        return 1
    count = request.services.registries.stored_count(info.gvr)
    limit = request.param("limit")
    if limit.isdecimal() and int(limit):
        count = min(count, int(limit))
    return max(1, min(MAXIMUM_SEATS, -(-count // OBJECTS_PER_SEAT)))
