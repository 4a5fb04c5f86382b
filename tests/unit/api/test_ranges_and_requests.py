"""Rules of storage, network ranges, certificates, flow control and devices: one line a rule, in upstream's words."""

import base64
from datetime import UTC, datetime

import pytest

import kind_examples
from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.columns import table_for
from pinnace.api.flowcontrol import defaults
from pinnace.api.resources import TABLE
from pinnace.api.strategies import strategy_for

ROWS = {row.kind: row for row in TABLE if row.gvr.group != "events.k8s.io"}
NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)


def build(kind, changes, name=""):
    """The sound example with some fields set: `a.b[0].c` -> value; None removes."""
    row = ROWS[kind]
    metadata = {"name": name or kind_examples.NAMES.get(kind, "x"), "resourceVersion": "1"}
    if row.namespaced:
        metadata["namespace"] = "default"
    obj = {"apiVersion": row.gvr.api_version, "kind": kind, "metadata": metadata}
    obj |= meta.mutable_copy(kind_examples.BODIES[kind])
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place = obj
        for part in parents:
            if isinstance(place, dict) and part not in place:
                place[part] = {}
            place = place[part]
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    strategy_for(row.gvr).default(obj)
    return obj


def found(kind, changes, name=""):
    causes = strategy_for(ROWS[kind].gvr).validate(build(kind, changes, name))
    return [f"{cause.field}: {cause.message}" for cause in causes]


def changed(kind, before, after, *, status=None, subresource=""):
    strategy = strategy_for(ROWS[kind].gvr)
    old, new = build(kind, before), build(kind, after)
    strategy.prepare_create(old)
    if status is not None:
        old["status"] = status
    if subresource:
        strategy.prepare_status_update(new, old)
        causes = strategy.validate_status_update(new, old)
    else:
        strategy.prepare_update(new, old)
        causes = strategy.validate_update(new, old)
    return [f"{cause.field}: {cause.message}" for cause in causes]


LABEL = "a lowercase RFC 1123 label must consist"
SHARED = {"spec/devices/0/allowMultipleAllocations": True}
POLICY = "spec/devices/0/capacity/memory/requestPolicy"
CREATE = [
    ("PersistentVolume", {"spec/accessModes": []}, "spec.accessModes: Required value"),
    ("PersistentVolume", {"spec/accessModes": ["Any"]}, 'spec.accessModes: Unsupported value: "Any": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"'),
    ("PersistentVolume", {"spec/capacity": {}}, "spec.capacity: Required value"),
    ("PersistentVolume", {"spec/capacity": {"storage": "0"}}, 'spec.capacity[storage]: Invalid value: "0": must be greater than zero'),
    ("PersistentVolume", {"spec/hostPath": None}, "spec: Required value: must specify a volume type"),
    ("PersistentVolume", {"spec/nfs": {"server": "s", "path": "/x"}}, "spec.nfs: Forbidden: may not specify more than 1 volume type"),
    ("PersistentVolume", {"spec/hostPath": {"path": "/a/../b"}}, 'spec.hostPath.path: Invalid value: "/a/../b": must not contain \'..\''),
    ("PersistentVolume", {"spec/hostPath": {"path": "/"}, "spec/persistentVolumeReclaimPolicy": "Recycle"}, "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"),
    ("PersistentVolume", {"spec/hostPath": None, "spec/local": {"path": "/x"}, "spec/nodeAffinity": None}, "spec.nodeAffinity: Required value: Local volume requires node affinity"),
    ("PersistentVolume", {"spec/nodeAffinity": {}}, "spec.nodeAffinity.required: Required value: must specify required node constraints"),
    ("PersistentVolume", {"spec/hostPath": None, "spec/csi": {"driver": "d"}}, "spec.csi.volumeHandle: Required value"),
    ("PersistentVolume", {"spec/volumeMode": "Tape"}, 'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
    ("PersistentVolumeClaim", {"spec/accessModes": []}, "spec.accessModes: Required value: at least 1 access mode is required"),
    ("PersistentVolumeClaim", {"spec/accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]}, "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"),
    ("PersistentVolumeClaim", {"spec/resources": {}}, "spec.resources[storage]: Required value"),
    ("PersistentVolumeClaim", {"spec/resources/requests/storage": "-1"}, 'spec.resources[storage]: Invalid value: "-1": must be greater than zero'),
    ("PersistentVolumeClaim", {"spec/dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "b"}}, 'spec: Invalid value: "spec.dataSource": must match dataSourceRef'),
    ("StorageClass", {"provisioner": ""}, "provisioner: Required value"),
    ("StorageClass", {"reclaimPolicy": "Recycle"}, 'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'),
    ("StorageClass", {"volumeBindingMode": "Later"}, 'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"'),
    ("VolumeAttributesClass", {"parameters": {}}, "parameters: Required value: must contain at least one key/value pair"),
    ("VolumeAttributesClass", {"driverName": ""}, "driverName: Required value"),
    ("CSIDriver", {"spec/tokenRequests": [{"audience": "a", "expirationSeconds": 5}]}, "spec.tokenRequests[0].expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes"),
    ("CSIDriver", {"spec/tokenRequests": [{"audience": "a"}, {"audience": "a"}]}, 'spec.tokenRequests[1].audience: Duplicate value: "a"'),
    ("CSINode", {"spec/drivers/0/nodeID": ""}, "spec.drivers[0].nodeID: Required value"),
    ("CSINode", {"spec/drivers/0/allocatable/count": -1}, "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0"),
    ("CSIStorageCapacity", {"capacity": "-1"}, 'capacity: Invalid value: "-1": must be greater than or equal to 0'),
    ("VolumeAttachment", {"spec/source": {}}, "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"),
    ("VolumeAttachment", {"spec/attacher": ""}, "spec.attacher: Required value"),
    ("NetworkPolicy", {"spec/ingress/0/from/0": {}}, "spec.ingress[0].from[0]: Required value: must specify a peer"),
    ("NetworkPolicy", {"spec/ingress/0/from/1/podSelector": {}}, "spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer"),
    ("NetworkPolicy", {"spec/ingress/0/ports/0/endPort": 3}, "spec.ingress[0].ports[0].endPort: Invalid value: 3: must be greater than or equal to `port`"),
    ("NetworkPolicy", {"spec/ingress/0/ports/1/endPort": 3}, "spec.ingress[0].ports[1].endPort: Invalid value: 3: may not be specified when `port` is non-numeric"),
    ("NetworkPolicy", {"spec/egress/0/to/0/ipBlock/except": ["11.0.0.0/16"]}, 'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`'),
    ("NetworkPolicy", {"spec/policyTypes": ["Sideways"]}, 'spec.policyTypes[0]: Unsupported value: "Sideways": supported values: "Ingress", "Egress"'),
    ("IPAddress", {"spec/parentRef": None}, "spec.parentRef: Required value"),
    ("IPAddress", {"spec/parentRef/name": ""}, "spec.parentRef.name: Required value"),
    ("ServiceCIDR", {"spec/cidrs": []}, "spec.cidrs: Required value: at least one CIDR required"),
    ("ServiceCIDR", {"spec/cidrs": ["10.0.0.0/24", "10.1.0.0/24"]}, 'spec.cidrs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64'),
    ("ServiceCIDR", {"spec/cidrs": ["10.0.0.1/24"]}, 'spec.cidrs[0]: Invalid value: "10.0.0.1/24": must be in canonical form ("10.0.0.0/24")'),
    ("CertificateSigningRequest", {"spec/usages": []}, "spec.usages: Required value"),
    ("CertificateSigningRequest", {"spec/usages": ["client auth", "client auth"]}, 'spec.usages[1]: Duplicate value: "client auth"'),
    ("CertificateSigningRequest", {"spec/signerName": "kubernetes.io/legacy-unknown"}, 'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version'),
    ("CertificateSigningRequest", {"spec/signerName": "x"}, "spec.signerName: Invalid value: \"x\": must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    ("CertificateSigningRequest", {"spec/signerName": "com/x"}, 'spec.signerName: Invalid value: "com": should be a domain with at least two segments separated by dots'),
    ("CertificateSigningRequest", {"spec/expirationSeconds": 60}, "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 600 seconds (10 minutes)"),
    ("CertificateSigningRequest", {"spec/request": "AAAA"}, 'spec.request: Invalid value: "AAAA": PEM block type must be CERTIFICATE REQUEST'),
    ("FlowSchema", {"spec/matchingPrecedence": 10001}, "spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000"),
    ("FlowSchema", {"spec/matchingPrecedence": 1}, "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"),
    ("FlowSchema", {"spec/priorityLevelConfiguration/name": ""}, "spec.priorityLevelConfiguration.name: Required value: must reference a priority level"),
    ("FlowSchema", {"spec/rules/0/subjects": []}, "spec.rules[0].subjects: Required value: subjects must contain at least one value"),
    ("FlowSchema", {"spec/rules/0/subjects/0/user": {"name": "x"}}, "spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'"),
    ("FlowSchema", {"spec/rules/0/resourceRules/0/namespaces": []}, "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace"),
    ("FlowSchema", {"spec/rules/0/nonResourceRules/0/nonResourceURLs": ["x"]}, 'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "x": must start with slash'),
    ("PriorityLevelConfiguration", {"spec/type": "Exempt", "spec/limited": None}, "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"),
    ("PriorityLevelConfiguration", {"spec/limited/limitResponse/queuing/handSize": 9}, "spec.limited.limitResponse.queuing.handSize: Invalid value: 9: should not be greater than queues (8)"),
    ("PriorityLevelConfiguration", {"spec/limited/limitResponse/queuing": {"queues": 1000, "handSize": 8}}, "spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 1000 and handSize 8 should not be greater than 60"),
    ("PriorityLevelConfiguration", {"spec/limited/lendablePercent": 101}, "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"),
    ("PriorityLevelConfiguration", {"spec/limited/limitResponse/type": "Reject"}, "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited"),
    ("DeviceClass", {"spec/selectors/0/cel/expression": "1"}, 'spec.selectors[0].cel.expression: Invalid value: "1": must evaluate to bool or the unknown type, not int'),
    ("DeviceClass", {"spec/extendedResourceName": "cpu"}, 'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name'),
    ("ResourceClaim", {"spec/devices/requests/0/exactly": None}, "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"),
    ("ResourceClaim", {"spec/devices/requests/0/exactly/allocationMode": "All"}, "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"),
    ("ResourceClaim", {"spec/devices/requests/0/exactly/count": -1}, "spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero"),
    ("ResourceClaim", {"spec/devices/constraints/0/matchAttribute": "x"}, 'spec.devices.constraints[0].matchAttribute: Invalid value: "x": a fully qualified name must be a domain and a name separated by a slash'),
    ("ResourceClaim", {"spec/devices/config/0/requests": ["nope"]}, 'spec.devices.config[0].requests[0]: Invalid value: "nope": must be the name of a request in the claim or the name of a request and a subrequest separated by \'/\''),
    ("ResourceSlice", {"spec/nodeName": None}, "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"),
    ("ResourceSlice", {"spec/allNodes": True}, 'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set'),
    ("ResourceSlice", {"spec/pool/resourceSliceCount": 0}, "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero"),
    ("ResourceSlice", {"spec/devices/0/attributes/model": {}}, 'spec.devices[0].attributes[model]: Invalid value: "": exactly one value must be specified'),
    ("ResourceSlice", {"spec/devices/0/attributes/example.com%v": {"version": "1"}}, 'spec.devices[0].attributes[example.com%v].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0'),
    ("ResourceSlice", {"spec/devices/0/capacity/memory/requestPolicy": {}}, "spec.devices[0].capacity[memory].requestPolicy: Forbidden: allowMultipleAllocations must be true"),
    ("ResourceSlice", {**SHARED, f"{POLICY}": {"validValues": ["1", "3"]}}, "spec.devices[0].capacity[memory].requestPolicy.default: Required value: required when validValues is defined"),
    ("ResourceSlice", {**SHARED, f"{POLICY}": {"default": "2", "validValues": ["3", "1"]}}, 'spec.devices[0].capacity[memory].requestPolicy.validValues[1]: Invalid value: "1": values must be sorted in ascending order'),
    ("ResourceSlice", {**SHARED, f"{POLICY}": {"default": "2", "validValues": ["1"]}}, 'spec.devices[0].capacity[memory].requestPolicy.validValues: Invalid value: "2": default value is not valid according to the requestPolicy'),
    ("ResourceSlice", {**SHARED, f"{POLICY}": {"default": "4", "validRange": {"min": "1", "step": "2"}}}, 'spec.devices[0].capacity[memory].requestPolicy.validRange.step: Invalid value: "4": value is not a multiple of a given step (2) from (1)'),
    ("ResourceSlice", {**SHARED, f"{POLICY}": {"default": "1", "validRange": {"min": "1", "max": "2Gi"}}}, 'spec.devices[0].capacity[memory].requestPolicy.validRange.max: Invalid value: "2Gi": max is larger than capacity value: 1Gi'),
    ("ResourceSlice", {"spec/devices/0/nodeName": "n"}, "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "message"), CREATE)
def test_what_is_refused(kind, changes, message):
    assert message in found(kind, changes)


CLAIM = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
FIXED = "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
CHANGES = [
    ("PersistentVolume", {}, {"spec/hostPath/path": "/y"}, {}, "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"),
    ("PersistentVolumeClaim", {}, {"spec/accessModes": ["ReadOnlyMany"]}, CLAIM, FIXED),
    ("PersistentVolumeClaim", {}, {"spec/resources/requests/storage": "2Gi"}, {"phase": "Pending"}, FIXED),
    ("PersistentVolumeClaim", {"spec/resources/requests/storage": "3Gi"}, {"spec/resources/requests/storage": "1Gi"}, CLAIM, "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"),
    ("PersistentVolumeClaim", {"spec/volumeAttributesClassName": "a"}, {}, CLAIM, "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"),
    ("StorageClass", {}, {"parameters": {"a": "c"}}, None, "parameters: Forbidden: updates to parameters are forbidden."),
    ("StorageClass", {}, {"provisioner": "example.com/y"}, None, "provisioner: Forbidden: updates to provisioner are forbidden."),
    ("StorageClass", {}, {"volumeBindingMode": "WaitForFirstConsumer"}, None, 'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable'),
    ("VolumeAttributesClass", {}, {"driverName": "other.example.com"}, None, "driverName: Forbidden: updates to driverName are forbidden."),
    ("CSIDriver", {}, {"spec/attachRequired": False}, None, "spec.attachRequired: Invalid value: false: field is immutable"),
    ("CSIStorageCapacity", {}, {"storageClassName": "fast"}, None, 'storageClassName: Invalid value: "fast": field is immutable'),
    ("IPAddress", {}, {"spec/parentRef/name": "t"}, None, 'spec.parentRef: Invalid value: {"resource":"services","namespace":"n","name":"t"}: field is immutable'),
    ("ServiceCIDR", {}, {"spec/cidrs": ["10.1.0.0/24", "2001:db8::/64"]}, None, 'spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable'),
    ("ServiceCIDR", {}, {"spec/cidrs": ["10.0.0.0/24"]}, None, 'spec.cidrs: Invalid value: ["10.0.0.0/24"]: field is immutable'),
    ("ResourceSlice", {}, {"spec/pool/name": "q"}, None, 'spec.pool.name: Invalid value: "q": field is immutable'),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "before", "after", "status", "message"), CHANGES)
def test_what_may_not_change(kind, before, after, status, message):
    assert message in changed(kind, before, after, status=status)


def test_what_may_change():
    assert (
        changed("PersistentVolumeClaim", {}, {"spec/resources/requests/storage": "2Gi"}, status=CLAIM) == []
    )
    assert changed("PersistentVolumeClaim", {}, {"spec/volumeName": "v"}, status={"phase": "Pending"}) == []
    assert changed("PersistentVolumeClaim", {}, {"spec/storageClassName": "x"}, status={}) == []
    assert changed("PersistentVolumeClaim", {"spec/resources/requests/storage": "3Gi"}, {"spec/resources/requests/storage": "2Gi"}, status=CLAIM) == []  # fmt: skip
    assert changed("ServiceCIDR", {"spec/cidrs": ["10.0.0.0/24"]}, {}) == []
    assert changed("CSINode", {}, {"spec/drivers/0/allocatable/count": 7}) == []


def test_the_strategy_of_a_lease():
    strategy = strategy_for(r.LEASES)

    def wrong(**spec):
        obj = {"metadata": {"name": "x", "namespace": "default"}, "spec": spec}
        return [f"{cause.field}: {cause.message}" for cause in strategy.validate(obj)]

    assert wrong(strategy="OldestEmulationVersion", preferredHolder="a") == []
    assert wrong(strategy="example.com/mine") == []
    assert wrong(strategy="Newest") == [
        'spec.strategy.strategy: Unsupported value: "Newest": supported values: "OldestEmulationVersion"'
    ]
    assert wrong(preferredHolder="a") == [
        "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"
    ]


def test_a_data_source_and_its_reference_say_the_same():
    strategy = strategy_for(r.PERSISTENT_VOLUME_CLAIMS)
    claim = build("PersistentVolumeClaim", {})
    strategy.prepare_create(claim)
    assert claim["spec"]["dataSourceRef"] == claim["spec"]["dataSource"]
    custom = {"apiGroup": "example.com", "kind": "Populator", "name": "p"}
    other = build("PersistentVolumeClaim", {"spec/dataSource": custom})
    strategy.prepare_create(other)
    assert not {"dataSource", "dataSourceRef"} & other["spec"].keys()
    other = build("PersistentVolumeClaim", {"spec/dataSource": None, "spec/dataSourceRef": custom})
    strategy.prepare_create(other)
    assert other["spec"]["dataSource"] == custom


def test_the_network_policy_of_somebody_who_said_little():
    policy = build("NetworkPolicy", {"spec": {"ingress": [{"ports": [{"port": 1}]}]}})
    assert policy["spec"] == {
        "podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 1, "protocol": "TCP"}]}],
    }  # fmt: skip
    policy = build("NetworkPolicy", {"spec": {"egress": [{}]}})
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_names_of_ip_addresses_are_canonical_addresses():
    assert found("IPAddress", {}, "10.0.0.1") == []
    assert found("IPAddress", {}, "2001:DB8::1") == [
        'metadata.name: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")'
    ]
    assert found("IPAddress", {}, "ten")[0].startswith(
        'metadata.name: Invalid value: "ten": must be a valid IP'
    )


@pytest.mark.parametrize(
    "obj", [*defaults.levels(), *defaults.schemas()], ids=lambda o: o["metadata"]["name"]
)
def test_the_objects_of_every_cluster_are_sound_and_complete(obj):
    strategy = strategy_for(ROWS[obj["kind"]].gvr)
    defaulted = meta.mutable_copy(obj)
    strategy.default(defaulted)
    assert defaulted == obj
    assert strategy.validate(defaulted) == []


def test_mandatory_specs_are_fixed():
    for kind, name, message in (
        ("FlowSchema", "catch-all", "spec of 'catch-all' must equal the fixed value"),
        ("PriorityLevelConfiguration", "catch-all", "spec of 'catch-all' must equal the fixed value"),
    ):
        assert any(cause.endswith(message) for cause in found(kind, {}, name))


def test_who_keeps_a_spec_up_to_date():
    def stored(generation=2, **annotations):
        return {"metadata": {"generation": generation, "annotations": annotations}}

    assert defaults.keeps_up_to_date(stored(), "exempt")
    assert not defaults.keeps_up_to_date(stored(), "system")
    assert defaults.keeps_up_to_date(stored(1), "system")
    assert defaults.keeps_up_to_date(stored(**{defaults.AUTO_UPDATE: "true"}), "system")
    assert not defaults.keeps_up_to_date(stored(1, **{defaults.AUTO_UPDATE: "false"}), "system")


AGE = "60m"
CELLS = [
    ("PersistentVolume", {"status": {"phase": "Bound"}}, ["x", "1Gi", "RWO", "Retain", "Bound", "n/c", "slow", "<unset>", "", AGE, "Filesystem"]),
    ("PersistentVolumeClaim", {"status": {"phase": "Pending"}}, ["x", "Pending", "", "", "", "", "<unset>", AGE, "Filesystem"]),
    ("PersistentVolumeClaim", {"status": {**CLAIM, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]}, "spec/volumeName": "v", "spec/storageClassName": "s"}, ["x", "Bound", "v", "1Gi", "RWO,RWX", "s", "<unset>", AGE, "Filesystem"]),
    ("StorageClass", {"metadata/annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, ["x (default)", "example.com/x", "Delete", "Immediate", False, AGE]),
    ("VolumeAttributesClass", {}, ["x", "csi.example.com", AGE]),
    ("CSIDriver", {}, ["x", True, False, False, "a", False, "Ephemeral", AGE]),
    ("CSINode", {}, ["x", 1, AGE]),
    ("CSIStorageCapacity", {}, ["x", "slow", "1Gi"]),
    ("VolumeAttachment", {}, ["x", "d.example.com", "v", "n", False, AGE]),
    ("NetworkPolicy", {}, ["x", "a=b", AGE]),
    ("IPAddress", {}, ["10.0.0.7", "services/n/s", AGE]),
    ("IPAddress", {"spec/parentRef": {"group": "g.io", "resource": "foos", "name": "f"}}, ["10.0.0.7", "foos.g.io/f", AGE]),
    ("ServiceCIDR", {}, ["x", "10.0.0.0/24,2001:db8::/64", AGE]),
    ("CertificateSigningRequest", {"spec/username": "u"}, ["x", AGE, "kubernetes.io/kube-apiserver-client", "u", "60m", "Pending"]),
    ("CertificateSigningRequest", {"status": {"conditions": [{"type": "Approved"}], "certificate": base64.b64encode(b"x").decode()}}, ["x", AGE, "kubernetes.io/kube-apiserver-client", "", "60m", "Approved,Issued"]),
    ("FlowSchema", {"status": {"conditions": [{"type": "Dangling", "status": "False"}]}}, ["x", "workload-low", 500, "ByUser", AGE, "False"]),
    ("PriorityLevelConfiguration", {}, ["x", "Limited", 3, 8, 2, 50, AGE]),
    ("DeviceClass", {}, ["x", AGE]),
    ("ResourceClaim", {}, ["x", "pending", AGE]),
    ("ResourceClaim", {"status": {"allocation": {}, "reservedFor": [{}]}, "metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}, ["x", "deleted,allocated,reserved", AGE]),
    ("ResourceSlice", {}, ["x", "n", "gpu.example.com", "p", AGE]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "cells"), CELLS)
def test_what_kubectl_shows(kind, changes, cells):
    changes = {"metadata/creationTimestamp": "2026-01-01T00:00:00Z", **changes}
    table = table_for(ROWS[kind].gvr)
    assert table.cells(build(kind, changes), NOW) == cells
    assert len(table.columns) == len(cells)
