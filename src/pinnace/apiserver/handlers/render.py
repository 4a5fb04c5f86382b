"""Answers from items: the one place where a handler's result meets the negotiated form and the resource's version."""

from pinnace.api.resources import Resource
from pinnace.apiserver import representations as forms
from pinnace.apiserver.documents import document, whole
from pinnace.apiserver.negotiation import PARTIAL, PARTIAL_LIST, TABLE, Accepted, media_of, negotiate
from pinnace.apiserver.registry.generic import Registry
from pinnace.apiserver.request import Request, Response
from pinnace.apiserver.storage.item import Item
from pinnace.apiserver.storage.options import ListResult
from pinnace.apiserver.tables import Row, TableForm, single, table


def accepted_form(request: Request, row: Resource, among: frozenset[str] = frozenset()) -> Accepted:
    """How the client wants objects of this resource, `among` these forms; raises NotAcceptable."""
    offered = media_of(row.gvr.api_version, row.kind)
    return negotiate(request.headers.get("Accept", ""), forms=among, offered=offered)


def table_form(request: Request, accepted: Accepted) -> TableForm:
    return TableForm.of_query(accepted.meta_version, request.param("includeObject"))


def item_response(
    request: Request, registry: Registry, item: Item, accepted: Accepted, status: int = 200
) -> Response:
    if accepted.form == PARTIAL:
        return document(forms.partial(item, accepted.meta_version), accepted, status)
    if accepted.form == TABLE:
        row = Row(registry.served_object(item), registry.served(item))
        body = single(registry.table, row, request.services.clock.now(), table_form(request, accepted))
        return whole(body, accepted, status)
    if accepted.is_protobuf:
        return Response(forms.item_protobuf(registry, item), status, accepted.media)
    return whole(registry.served(item), accepted, status)


async def list_response(
    request: Request, registry: Registry, result: ListResult, accepted: Accepted
) -> Response:
    if accepted.form == PARTIAL_LIST:
        return document(forms.partial_list(result, accepted.meta_version), accepted)
    if accepted.form == TABLE:
        rows = [Row(registry.served_object(item), registry.served(item)) for item in result.items]
        body = table(
            registry.table, rows, request.services.clock.now(), table_form(request, accepted),
            metadata=forms.list_metadata(result),
        )  # fmt: skip
        return whole(body, accepted)
    if accepted.is_protobuf:
        return Response(await forms.list_protobuf(registry, result), content_type=accepted.media)
    answer = forms.list_answer(registry, result)
    if accepted.is_yaml or request.in_process or request.audit is not None:
        answer.join()
        return whole(answer.body, accepted)
    return answer
