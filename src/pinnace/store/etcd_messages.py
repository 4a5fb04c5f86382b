"""The protobuf messages of etcd's v3 API that the store uses, as a table in the notation of `net.grpc_messages`.

Numbers: https://github.com/etcd-io/etcd/blob/main/api/etcdserverpb/rpc.proto and ../mvccpb/kv.proto
Left out: leases, locks, elections, cluster membership, all of Maintenance but Status.
"""

from functools import cache
from typing import Any

from pinnace.net.grpc_messages import build_classes

PACKAGE = "etcdserverpb"

TABLE = """
ResponseHeader: 1 cluster_id uint64, 2 member_id uint64, 3 revision int64, 4 raft_term uint64
KeyValue: 1 key bytes, 2 create_revision int64, 3 mod_revision int64, 4 version int64, 5 value bytes, 6 lease int64
Event: 1 type int32, 2 kv KeyValue, 3 prev_kv KeyValue

RangeRequest: 1 key bytes, 2 range_end bytes, 3 limit int64, 4 revision int64, 7 serializable bool, 8 keys_only bool,
    9 count_only bool
RangeResponse: 1 header ResponseHeader, 2 kvs *KeyValue, 3 more bool, 4 count int64
PutRequest: 1 key bytes, 2 value bytes
PutResponse: 1 header ResponseHeader
DeleteRangeRequest: 1 key bytes, 2 range_end bytes
DeleteRangeResponse: 1 header ResponseHeader, 2 deleted int64
RequestOp: 1 request_range RangeRequest, 2 request_put PutRequest, 3 request_delete_range DeleteRangeRequest
ResponseOp: 1 response_range RangeResponse, 2 response_put PutResponse, 3 response_delete_range DeleteRangeResponse
Compare: 1 result int32, 2 target int32, 3 key bytes, 6 mod_revision int64
TxnRequest: 1 compare *Compare, 2 success *RequestOp, 3 failure *RequestOp
TxnResponse: 1 header ResponseHeader, 2 succeeded bool, 3 responses *ResponseOp
CompactionRequest: 1 revision int64, 2 physical bool
CompactionResponse: 1 header ResponseHeader

WatchRequest: 1 create_request WatchCreateRequest, 3 progress_request WatchProgressRequest
WatchCreateRequest: 1 key bytes, 2 range_end bytes, 3 start_revision int64, 4 progress_notify bool, 6 prev_kv bool
WatchProgressRequest:
WatchResponse: 1 header ResponseHeader, 2 watch_id int64, 3 created bool, 4 canceled bool, 5 compact_revision int64,
    6 cancel_reason string, 11 events *Event

AuthenticateRequest: 1 name string, 2 password string
AuthenticateResponse: 1 header ResponseHeader, 2 token string
StatusRequest:
StatusResponse: 1 header ResponseHeader, 2 version string
"""

# Method -> its messages; all but Watch are one request and one answer.
METHODS = {
    "KV/Range": ("RangeRequest", "RangeResponse"),
    "KV/Put": ("PutRequest", "PutResponse"),
    "KV/Txn": ("TxnRequest", "TxnResponse"),
    "KV/Compact": ("CompactionRequest", "CompactionResponse"),
    "Watch/Watch": ("WatchRequest", "WatchResponse"),
    "Auth/Authenticate": ("AuthenticateRequest", "AuthenticateResponse"),
    "Maintenance/Status": ("StatusRequest", "StatusResponse"),
}
MOD_REVISION, EQUAL, DELETE = 2, 0, 1  # Compare.target, Compare.result, Event.type


@cache
def message_classes() -> dict[str, Any]:
    """The classes by name; built, and protobuf imported, on the first call."""
    return build_classes(PACKAGE, TABLE)
