"""ComponentStatuses (deprecated): the store is the one component that this server can ask about, as `etcd-0`.

Upstream also dials the scheduler and the controller manager on fixed ports of the API server's host, which nothing listens on here.
"""

from typing import Any

from pinnace.api.columns import table_for
from pinnace.api.resources import Resource
from pinnace.apimachinery import errors
from pinnace.apiserver.documents import document, whole
from pinnace.apiserver.handlers.render import accepted_form, table_form
from pinnace.apiserver.negotiation import TABLE
from pinnace.apiserver.request import Answer, Request
from pinnace.apiserver.tables import Row, table

Object = dict[str, Any]
_STORE = "etcd-0"


async def handle(request: Request, row: Resource) -> Answer:
    """GET of one and of all."""
    name = request.info.name
    if name not in ("", _STORE):
        raise errors.not_found(row.gvr.resource, name)
    accepted = accepted_form(request, row, frozenset((TABLE,)))
    item = await _store_status(request)
    if accepted.form == TABLE:
        now, form = request.services.clock.now(), table_form(request, accepted)
        return whole(table(table_for(row.gvr), [Row(item)], now, form, metadata={}), accepted)
    head = {"apiVersion": "v1"}
    if name:
        return document({"kind": row.kind, **head, **item}, accepted)
    return document({"kind": row.list_kind, **head, "metadata": {}, "items": [item]}, accepted)


async def _store_status(request: Request) -> Object:
    why = await request.services.health.checks("readyz")["etcd"]()
    healthy = {"type": "Healthy", "status": "False" if why else "True", "message": why or "ok"}
    return {"metadata": {"name": _STORE}, "conditions": [healthy]}
