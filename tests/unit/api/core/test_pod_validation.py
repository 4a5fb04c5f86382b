"""What is wrong with a pod, in upstream's words and field paths."""

import pytest

from pinnace.api import meta
from pinnace.api.resources import PODS
from pinnace.api.strategies import strategy_for
from pinnace.apimachinery import errors

STRATEGY = strategy_for(PODS)


def pod(container=None, **spec):
    containers = [{"name": "c", "image": "i", **(container or {})}]
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "d", "resourceVersion": "1"},
        "spec": {"containers": containers, **spec},
    }
    STRATEGY.default(obj)
    return obj


def texts(causes):
    return [f"{cause.field}: {cause.message}" for cause in causes]


IN_CONTAINER = [
    ({"image": ""}, "image: Required value"),
    ({"image": " i"}, 'image: Invalid value: " i": must not have leading or trailing whitespace'),
    ({"name": ""}, "name: Required value"),
    ({"imagePullPolicy": "Sometimes"}, 'imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'),
    ({"ports": [{"containerPort": 0}]}, "ports[0].containerPort: Required value"),
    ({"ports": [{"containerPort": 70000}]}, "ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
    ({"ports": [{"containerPort": 1, "protocol": "X"}]}, 'ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'),
    ({"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]}, 'ports[1].name: Duplicate value: "a"'),
    ({"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]}, 'ports[1].hostPort: Duplicate value: "TCP//9"'),
    ({"env": [{"value": "v"}]}, "env[0].name: Required value"),
    ({"env": [{"name": "A", "value": "v", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]}, 'env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'),
    ({"env": [{"name": "A", "valueFrom": {}}]}, 'env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'),
    ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]}, 'env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x": error converting fieldPath: field label not supported: spec.x'),
    ({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}}]}, 'env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"'),
    ({"envFrom": [{"secretRef": {}}]}, "envFrom[0].secretRef.name: Required value"),
    ({"volumeMounts": [{"name": "v", "mountPath": "/x"}]}, 'volumeMounts[0].name: Not found: "v"'),
    ({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}, 'resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'),
    ({"resources": {"requests": {"memory": "-1"}}}, 'resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0'),
    ({"livenessProbe": {"periodSeconds": 3}}, "livenessProbe: Required value: must specify a handler type"),
    ({"livenessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}}, "livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"),
    ({"livenessProbe": {"exec": {"command": ["a"]}, "successThreshold": 2}}, "livenessProbe.successThreshold: Invalid value: 2: must be 1"),
    ({"readinessProbe": {"httpGet": {"port": 0}}}, "readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive"),
    ({"lifecycle": {"preStop": {"exec": {}}}}, "lifecycle.preStop.exec.command: Required value"),
    ({"securityContext": {"runAsUser": -1}}, "securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"),
    ({"securityContext": {"procMount": "Unmasked"}}, 'securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`'),
    ({"securityContext": {"procMount": "x"}}, 'securityContext.procMount: Unsupported value: "x": supported values: "Default", "Unmasked"'),
    ({"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "x"}]}, 'resizePolicy: Unsupported value: "x": supported values: "NotRequired", "RestartContainer"'),
    ({"resizePolicy": [{"resourceName": "disk", "restartPolicy": "NotRequired"}]}, 'resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"'),
    ({"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}] * 2}, 'resizePolicy[1]: Duplicate value: "cpu"'),
    ({"restartPolicy": "x"}, 'restartPolicy: Unsupported value: "x": supported values: "Always", "Never", "OnFailure"'),
    ({"restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]}, "restartPolicy: Required value: must specify restartPolicy when restart rules are used"),
    ({"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart"}]}, "restartPolicyRules[0].exitCodes: Required value: must be specified"),
    ({"restartPolicy": "Never", "restartPolicyRules": [{"action": "Stop", "exitCodes": {"operator": "In", "values": [3]}}]}, 'restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers"'),
    ({"resources": {"claims": [{"name": "gpu"}]}}, 'resources.claims[0]: Not found: "gpu": must be one of the names in pod.spec.resourceClaims which is empty'),
    ({"terminationMessagePolicy": "x"}, 'terminationMessagePolicy: Unsupported value: "x": supported values: "FallbackToLogsOnError", "File"'),
]  # fmt: skip


@pytest.mark.parametrize(("container", "expected"), IN_CONTAINER)
def test_containers(container, expected):
    assert texts(STRATEGY.validate(pod(container))) == [f"spec.containers[0].{expected}"]


IN_SPEC = [
    ({"restartPolicy": "x"}, 'restartPolicy: Unsupported value: "x": supported values: "Always", "Never", "OnFailure"'),
    ({"dnsPolicy": "x"}, 'dnsPolicy: Unsupported value: "x": supported values: "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"'),
    ({"dnsPolicy": "None"}, "dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"),
    ({"activeDeadlineSeconds": 0}, "activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"),
    ({"containers": []}, "containers: Required value"),
    ({"initContainers": [{"name": "c", "image": "i"}]}, 'initContainers[0].name: Duplicate value: "c"'),
    ({"initContainers": [{"name": "i", "image": "i", "livenessProbe": {"exec": {"command": ["a"]}}}]}, "initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"),
    ({"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/a"}}]}, "volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"),
    ({"volumes": [{"name": "v", "secret": {}}]}, "volumes[0].secret.secretName: Required value"),
    ({"volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 4096}}]}, "volumes[0].configMap.defaultMode: Invalid value: 4096: must be a number between 0 and 0777 (octal), both inclusive"),
    ({"volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "a", "path": "../a"}]}}]}, 'volumes[0].configMap.items[0].path: Invalid value: "../a": must not contain \'..\''),
    ({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}}]}, "volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes"),
    ({"tolerations": [{"operator": "Equal", "value": "a"}]}, 'tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"'),
    ({"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 3}]}, "tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set"),
    ({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]}, "topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"),
    ({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term"),
    ({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}}, "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty"),
    ({"schedulingGates": [{"name": "a.b/c"}], "nodeName": "n"}, "nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"),
    ({"hostAliases": [{"ip": "x"}]}, 'hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
]  # fmt: skip


SOURCES = [
    ({"awsElasticBlockStore": {}}, "awsElasticBlockStore.volumeID: Required value"),
    ({"gcePersistentDisk": {"pdName": "d", "partition": 300}}, "gcePersistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive"),
    ({"gitRepo": {"repository": "r", "directory": "../x"}}, "gitRepo.directory: Invalid value: \"../x\": must not contain '..'"),
    ({"iscsi": {"targetPortal": "1.2.3.4", "iqn": "x"}}, 'iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa'),
    ({"fc": {"targetWWNs": ["a"]}}, "fc.lun: Required value: lun is required if targetWWNs is specified"),
    ({"fc": {}}, "fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"),
    ({"flocker": {}}, "flocker: Required value: one of datasetName and datasetUUID is required"),
    ({"azureDisk": {"diskName": "d", "diskURI": "u", "kind": "x"}}, 'azureDisk.kind: Unsupported value: "x": supported values: "Dedicated", "Managed", "Shared"'),
    ({"rbd": {"image": "i"}}, "rbd.monitors: Required value"),
    ({"ephemeral": {}}, "ephemeral.volumeClaimTemplate: Required value"),
    ({"ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}}}, "ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), SOURCES)
def test_sources_of_volumes(source, expected):
    assert texts(STRATEGY.validate(pod(volumes=[{"name": "v", **source}]))) == [f"spec.volumes[0].{expected}"]


def test_defaults_of_storage_systems():
    (volume,) = pod(volumes=[{"name": "v", "rbd": {"monitors": ["m"], "image": "i"}}])["spec"]["volumes"]
    assert volume["rbd"] == {
        "monitors": ["m"], "image": "i", "pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring",
    }  # fmt: skip


CLAIMS = [
    ([{"name": "a"}], 'spec.resourceClaims[0]: Invalid value: {"name":"a"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'),
    ([{"name": "a", "resourceClaimName": "x"}, {"name": "a", "resourceClaimName": "y"}], 'spec.resourceClaims[1].name: Duplicate value: "a"'),
    ([{"name": "a", "resourceClaimName": "x"}], None),
]  # fmt: skip


@pytest.mark.parametrize(("claims", "expected"), CLAIMS)
def test_claims_of_devices(claims, expected):
    container = {"resources": {"claims": [{"name": "a"}]}}
    assert texts(STRATEGY.validate(pod(container, resourceClaims=claims))) == ([expected] if expected else [])


WHOLE = [
    ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "2"}}, 'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2'),
    ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi"}}, 'spec.containers[0].resources.limits[memory]: Invalid value: "2Gi": must be less than or equal to pod limits of 1Gi'),
    ({"requests": {"ephemeral-storage": "1Gi"}}, {}, 'spec.resources.requests: Unsupported value: "ephemeral-storage": supported values: "cpu", "memory"'),
    ({"requests": {"cpu": "2"}, "limits": {"cpu": "3"}}, {"requests": {"cpu": "2"}}, None),
]  # fmt: skip


@pytest.mark.parametrize(("resources", "container", "expected"), WHOLE)
def test_resources_of_the_pod_as_a_whole(resources, container, expected):
    found = texts(STRATEGY.validate(pod({"resources": container}, resources=resources)))
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize("field", ["hostNetwork", "hostPID", "hostIPC"])
def test_users_of_its_own_and_a_namespace_of_the_host(field):
    refused = texts(STRATEGY.validate(pod(hostUsers=False, **{field: True})))
    assert refused == [f"spec.{field}: Forbidden: when `hostUsers` is false"]
    assert texts(STRATEGY.validate(pod(hostUsers=True, **{field: True}))) == []
    assert texts(STRATEGY.validate(pod(hostUsers=False))) == []


def test_users_of_its_own_and_a_raw_device():
    container = {"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    refused = texts(STRATEGY.validate(pod(container, hostUsers=False, volumes=volumes)))
    assert refused == ["spec.containers[0].volumeDevices: Forbidden: when `hostUsers` is false"]


def test_what_an_ephemeral_container_may_not_have():
    old = pod(volumes=[{"name": "v", "emptyDir": {}}])
    new = meta.mutable_copy(old)
    debug = {"name": "d", "image": "i", "resources": {"limits": {"cpu": "1"}}, "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}]}  # fmt: skip
    new["spec"]["ephemeralContainers"] = [debug]
    STRATEGY.default(new)
    STRATEGY.prepare_ephemeral_containers_update(new, old)
    why = "Forbidden: cannot be set for an Ephemeral Container"
    assert texts(STRATEGY.validate_ephemeral_containers_update(new, old)) == [
        f"spec.ephemeralContainers[0].resources: {why}",
        f"spec.ephemeralContainers[0].volumeMounts[0].subPath: {why}",
    ]


@pytest.mark.parametrize(("spec", "expected"), IN_SPEC)
def test_spec(spec, expected):
    assert texts(STRATEGY.validate(pod(**spec))) == [f"spec.{expected}"]


def test_the_whole_sentence():
    causes = STRATEGY.validate(pod({"image": ""}))
    assert str(errors.invalid("Pod", "x", causes)) == (
        'Pod "x" is invalid: spec.containers[0].image: Required value'
    )


def change(before, after):
    old, new = pod(**before), pod(**after)
    return texts(STRATEGY.validate_update(new, old))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"container": {"image": "other", "imagePullPolicy": "Always"}}),
        ({}, {"activeDeadlineSeconds": 5}),
        ({"activeDeadlineSeconds": 5}, {"activeDeadlineSeconds": 3}),
        ({}, {"tolerations": [{"operator": "Exists"}]}),
        ({"schedulingGates": [{"name": "a"}, {"name": "b"}]}, {"schedulingGates": [{"name": "b"}]}),
        (
            {"schedulingGates": [{"name": "a"}]},
            {"schedulingGates": [{"name": "a"}], "nodeSelector": {"z": "1"}},
        ),
        ({"terminationGracePeriodSeconds": -1}, {"terminationGracePeriodSeconds": 1}),
    ],
)
def test_updates_that_are_allowed(before, after):
    assert change(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"activeDeadlineSeconds": 5}, {"activeDeadlineSeconds": 9}, "spec.activeDeadlineSeconds: Invalid value: 9: must be less than or equal to previous value"),
        ({"activeDeadlineSeconds": 5}, {}, "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"),
        ({}, {"container": {"image": ""}}, "spec.containers[0].image: Required value"),
        ({}, {"initContainers": [{"name": "i", "image": "i"}]}, "spec.initContainers: Forbidden: pod updates may not add or remove containers"),
        ({"tolerations": [{"operator": "Exists"}]}, {}, "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"),
        ({}, {"schedulingGates": [{"name": "a"}]}, "spec.schedulingGates[0]: Forbidden: only deletion is allowed, but found new scheduling gate 'a'"),
    ],
)  # fmt: skip
def test_updates_that_are_not(before, after, expected):
    assert expected in change(before, after)


@pytest.mark.parametrize("after", [{"nodeName": "n"}, {"hostname": "h"}, {"container": {"command": ["a"]}}])
def test_everything_else_is_fixed(after):
    (found,) = change({}, after)
    assert found.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
    )


def test_ephemeral_containers_come_through_their_subresource_only():
    old = pod()
    new = meta.mutable_copy(old)
    new["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "sh", "targetContainerName": "c"}]
    new["spec"]["nodeName"] = "ignored"
    STRATEGY.default(new)
    assert texts(STRATEGY.validate(new))[-1] == "spec.ephemeralContainers: Forbidden: cannot be set on create"
    STRATEGY.prepare_ephemeral_containers_update(new, old)
    assert "nodeName" not in new["spec"]
    assert STRATEGY.validate_ephemeral_containers_update(new, old) == []
    removed = (
        'spec.ephemeralContainers[0]: Forbidden: existing ephemeral containers "debug" may not be removed\n'
    )
    assert removed in texts(STRATEGY.validate_ephemeral_containers_update(old, new))


def test_a_container_that_ended_for_good_does_not_run_again():
    old = pod(restartPolicy="Never")
    new = meta.mutable_copy(old)
    old["status"] = {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 1}}}]}
    new["status"] = {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}
    assert texts(STRATEGY.validate_status_update(new, old)) == [
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    ]
