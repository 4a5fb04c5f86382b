"""Sound bodies of storage, network-range, certificate, device and flow-control kinds: what several tests of kinds begin with."""

import base64
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate_request(
    common_name: str, organizations: tuple[str, ...] = (), names: tuple[x509.GeneralName, ...] = ()
) -> str:
    """A PKCS#10 request as `spec.request` has it."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


REQUEST = {"requests": {"storage": "1Gi"}}
TERM = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
NODE_SELECTOR = {"nodeSelectorTerms": [TERM]}
DEVICES = {
    "requests": [
        {
            "name": "a",
            "exactly": {"deviceClassName": "gpu", "selectors": [{"cel": {"expression": "true"}}], "count": 2},
        },
        {"name": "b", "firstAvailable": [{"name": "one", "deviceClassName": "gpu"}]},
    ],
    "constraints": [{"requests": ["a", "b/one"], "matchAttribute": "gpu.example.com/numa"}],
    "config": [{"requests": ["a"], "opaque": {"driver": "gpu.example.com", "parameters": {"x": 1}}}],
}
DEVICE = {
    "name": "gpu-0",
    "attributes": {"model": {"string": "x"}, "example.com/v": {"version": "1.0.0"}, "n": {"int": 3}},
    "capacity": {"memory": {"value": "1Gi"}},
    "taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}],
    "consumesCounters": [{"counterSet": "c", "counters": {"slots": {"value": "1"}}}],
}
SUBJECTS = [{"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": "kube-system"}}]
RESOURCE_RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}
PEER = {"podSelector": {"matchLabels": {"a": "b"}}, "namespaceSelector": {"matchLabels": {"a": "b"}}}
BLOCK = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}

BODIES: dict[str, dict[str, Any]] = {
    "PersistentVolume": {
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/tmp/x"},
            "storageClassName": "slow",
            "claimRef": {"namespace": "n", "name": "c"},
            "nodeAffinity": {"required": NODE_SELECTOR},
        }
    },
    "PersistentVolumeClaim": {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": REQUEST,
            "dataSource": {"kind": "PersistentVolumeClaim", "name": "other"},
            "selector": {"matchLabels": {"a": "b"}},
        }
    },
    "StorageClass": {
        "provisioner": "example.com/x",
        "parameters": {"a": "b"},
        "allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": ["a"]}]}],
    },
    "VolumeAttributesClass": {"driverName": "csi.example.com", "parameters": {"iops": "100"}},
    "CSIDriver": {
        "spec": {
            "tokenRequests": [{"audience": "a", "expirationSeconds": 600}],
            "volumeLifecycleModes": ["Ephemeral"],
        }
    },
    "CSINode": {
        "spec": {
            "drivers": [
                {
                    "name": "d.example.com",
                    "nodeID": "n",
                    "topologyKeys": ["zone"],
                    "allocatable": {"count": 3},
                }
            ]
        }
    },
    "CSIStorageCapacity": {
        "storageClassName": "slow",
        "capacity": "1Gi",
        "nodeTopology": {"matchLabels": {"a": "b"}},
    },
    "VolumeAttachment": {
        "spec": {"attacher": "d.example.com", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
    },
    "NetworkPolicy": {
        "spec": {
            "podSelector": {"matchLabels": {"a": "b"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"port": 80, "endPort": 90}, {"port": "http"}], "from": [PEER, BLOCK]}],
            "egress": [{"to": [BLOCK], "ports": [{"port": 53, "protocol": "UDP"}]}],
        }
    },
    "IPAddress": {"spec": {"parentRef": {"resource": "services", "namespace": "n", "name": "s"}}},
    "ServiceCIDR": {"spec": {"cidrs": ["10.0.0.0/24", "2001:db8::/64"]}},
    "CertificateSigningRequest": {
        "spec": {
            "request": certificate_request("jane", ("dev",)),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth", "digital signature"],
            "expirationSeconds": 3600,
        }
    },
    "FlowSchema": {
        "spec": {
            "priorityLevelConfiguration": {"name": "workload-low"},
            "matchingPrecedence": 500,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": SUBJECTS,
                    "resourceRules": [RESOURCE_RULE],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/x/*"]}],
                }
            ],
        }
    },
    "PriorityLevelConfiguration": {
        "spec": {
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": 3,
                "limitResponse": {"type": "Queue", "queuing": {"queues": 8, "handSize": 2}},
            },
        }
    },
    "DeviceClass": {
        "spec": {
            "selectors": [{"cel": {"expression": 'device.driver == "gpu.example.com"'}}],
            "config": [{"opaque": {"driver": "gpu.example.com", "parameters": {"a": 1}}}],
            "extendedResourceName": "example.com/gpu",
        }
    },
    "ResourceClaim": {"spec": {"devices": DEVICES}},
    "ResourceClaimTemplate": {"spec": {"metadata": {"labels": {"a": "b"}}, "spec": {"devices": DEVICES}}},
    "ResourceSlice": {
        "spec": {
            "driver": "gpu.example.com",
            "nodeName": "n",
            "pool": {"name": "p", "resourceSliceCount": 1, "generation": 1},
            "devices": [DEVICE],
        }
    },
}
STATUSES: dict[str, dict[str, Any]] = {
    "PersistentVolumeClaim": {
        "phase": "Bound", "capacity": {"storage": "1Gi"}, "conditions": [{"type": "Resizing", "status": "True"}],
    },
    "VolumeAttachment": {"attached": True, "attachError": {"message": "m", "time": "2026-01-01T00:00:00Z"}},
    "ServiceCIDR": {"conditions": [{"type": "Ready", "status": "True"}]},
    "CertificateSigningRequest": {"conditions": [{"type": "Approved", "status": "True", "reason": "r"}]},
    "FlowSchema": {"conditions": [{"type": "Dangling", "status": "False"}]},
    "ResourceClaim": {
        "allocation": {
            "devices": {
                "results": [{"request": "a", "driver": "gpu.example.com", "pool": "p", "device": "gpu-0"}],
                "config": [
                    {"source": "FromClaim", "opaque": {"driver": "gpu.example.com", "parameters": {"a": 1}}}
                ],
            },
            "nodeSelector": NODE_SELECTOR,
        },
        "reservedFor": [{"resource": "pods", "name": "p", "uid": "u"}],
        "devices": [
            {
                "driver": "gpu.example.com", "pool": "p", "device": "gpu-0",
                "networkData": {"interfaceName": "eth1", "ips": ["10.0.0.1/24"]},
            }
        ],
    },
}  # fmt: skip
NAMES = {"IPAddress": "10.0.0.7"}  # kinds whose objects cannot be called "x"
