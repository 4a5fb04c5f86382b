"""`pinnace` beside the real kubectl on one server: the same output, the same errors, the same exit code, byte for byte.

Each command runs with both programs; ages may tick over between the two, so a difference is looked at three times.
"""

import asyncio

import pytest

import side_by_side as beside
from beside_kubectl import MANIFEST, Program, difference, same, words
from custom_resources import definition, establish, version
from pinnace.api import resources as r
from pinnace.client.interface import Client
from pinnace.testing.api_server import ApiServerInProcess

STORAGE = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: gold, annotations: {storageclass.kubernetes.io/is-default-class: "true", note: two}}
provisioner: disks.example
parameters: {type: fast, size: large}
mountOptions: [noatime, ro]
allowVolumeExpansion: true
volumeBindingMode: WaitForFirstConsumer
allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a, b]}, {key: rack, values: [r]}]}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: plain}
provisioner: disks.example
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, labels: {a: b}}
spec: {accessModes: [ReadWriteOnce], storageClassName: gold, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: copy}
spec:
  accessModes: [ReadWriteOnce, ReadOnlyMany]
  storageClassName: ""
  volumeName: local
  dataSource: {kind: PersistentVolumeClaim, name: data}
  resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  containers: [{name: main, image: busybox}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data, readOnly: true}}
  - name: scratch
    ephemeral: {volumeClaimTemplate: {metadata: {labels: {k: v}}, spec: {accessModes: [ReadWriteOnce], storageClassName: gold, resources: {requests: {storage: 1Gi}}}}}
  - {name: share, nfs: {server: s.example, path: /x}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: local, annotations: {note: "1"}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 5Gi}
  storageClassName: gold
  local: {path: /mnt/disk}
  claimRef: {namespace: default, name: data}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a, b]}, {key: ssd, operator: Exists}]}, {matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, values: [c]}]}]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: driver, labels: {tier: disks}}
spec:
  accessModes: [ReadWriteMany, ReadOnlyMany]
  capacity: {storage: "1"}
  persistentVolumeReclaimPolicy: Delete
  csi: {driver: disks.example, volumeHandle: h-1, fsType: ext4, readOnly: true, volumeAttributes: {b: c, a: d}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: share}
spec: {accessModes: [ReadWriteMany], capacity: {storage: 1Gi}, volumeMode: Block, nfs: {server: s.example, path: /x}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: host}
spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, hostPath: {path: /srv, type: Directory}}
"""  # fmt: skip
READING = [
    "get pods", "get po", "get pods,svc", "get all", "get pods -o wide", "get pods --show-labels", "get pods -L app",
    "get pods -l app=one", "get pods -l app=none", "get pods -l app in (", "get pods --no-headers", "get pod/one svc/web",
    "get pods -o name", "get pods -A", "get pod one -o yaml", "get pod one -o json", "get pods -o yaml", "get deploy web -o yaml",
    "get cm cfg -o yaml", "get secret s -o json", "get svc web -o yaml", "get ingress web -o yaml", "get nodes n1 -o yaml",
    "get pods -o jsonpath={.items[*].metadata.name}", "get pod one -o jsonpath={.spec.containers[1].name}",
    "get pods -o custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image,NONE:.x.y",
    "get pods -o custom-columns=NAME", "get pods -o nonsense", "get pods -o jsonpath={.x", "get pods --sort-by=.metadata.name",
    "get pods --field-selector metadata.name=one", "get pods --field-selector nope=1", "get pods nope", "get pods one nope",
    "get nope", "get pods/one/x", "get pods one svc/web", "get pods one -A", "get -n nope pods", "get nodes",
    "get nodes -o wide", "get events", "get cm", "get secret", "get ns", "get deploy,rs", "get pods one --ignore-not-found",
    "get pods nope --ignore-not-found", "get --raw /version", "get --raw /nope", "get PODS", "get Pod one",
    "get deployments.apps", "get deployments.v1.apps web", "get lease -A", "get ep", "get sa", "get clusterroles -o name",
    "describe pod one", "describe pods", "describe deploy web", "describe svc web", "describe ingress web", "describe node n1",
    "describe cm cfg", "describe secret s", "describe sa default", "describe ns default", "describe pod nope", "describe nope",
    "describe pod on", "describe lease -A", "describe", "get jobs", "get job work -o wide", "get cj", "get cj -o wide", "describe job work",
    "describe job done", "describe job many", "describe cj cron", "describe cj", "create job", "create job x", "create job x --image=a --from=cronjob/cron",
    "create job x --from=cronjob/nope", "create job x --from=cronjob/cron -- ls", "create job x --from=deploy/web",
    "wait job done --for=condition=complete --timeout=1s", "wait job work --for=condition=complete --timeout=1s",
    "describe pvc data", "describe pvc copy", "describe pv local", "describe pv driver", "describe pv share", "describe pv host",
    "describe sc gold", "describe sc plain", "describe pod user", "get pv", "get pvc", "get sc",
    "auth can-i get pods", "auth can-i get pods --as=nobody", "auth can-i get nodes", "auth can-i get /healthz", "auth whoami", "auth can-i",
    "api-resources -o name", "api-versions", "config current-context", "config view", "config get-contexts", "config use-context x",
    "rollout status deploy web --timeout=1s", "rollout history deploy web", "rollout history pod one", "rollout status pod one",
    "logs nope", "logs one", "logs one -c nope", "logs", "exec nope -- ls", "exec one", "exec one -c nope -- ls",
    "wait pod one --for=condition=Ready --timeout=1s", "wait pod nope --for=condition=Ready", "wait pod/nope --for=delete",
    "delete pod", "delete pod nope", "delete nope x", "delete", "scale deploy nope --replicas=1",
    "create -f /nope.yaml", "create cm x --from-literal=a", "apply -f /nope.yaml", "apply",
    "label pod one", "label pod nope a=b", "annotate pod one", "cordon nope", "top nodes --sort-by=x",
]  # fmt: skip

GOLDEN_LINES = {case.line.removeprefix("~ ") for name in beside.names() for case in beside.cases(name)}
UNKEPT = [
    command for command in READING if command not in GOLDEN_LINES
]  # no answer of kubectl to these is kept

# In order: each command runs with kubectl on one namespace and with pinnace on another.
WRITING = [
    "label deploy web x=1", "label deploy web x=1", "label deploy web x=2", "label deploy web x=2 --overwrite", "label deploy web x-",
    "annotate deploy web n=1", "annotate deploy web n=2", "annotate deploy web n=2 --overwrite", "annotate deploy web n-",
    "scale deploy web --replicas=3", "scale deploy web --replicas=4 --current-replicas=9", "scale deploy/web --replicas=2",
    'patch deploy web -p {"spec":{"replicas":5}}', 'patch deploy web -p {"spec":{"replicas":5}}',
    'patch deploy web --type=json -p [{"op":"replace","path":"/spec/replicas","value":1}]', "rollout pause deploy web",
    "rollout pause deploy web", "rollout restart deploy web", "rollout resume deploy web", "rollout resume deploy web",
    "rollout restart deploy web", "rollout undo deploy web", "create configmap c1 --from-literal=a=b --from-literal=c=d",
    "create configmap c1 --from-literal=a=b", "get cm c1 -o jsonpath={.data}", "create secret generic s1 --from-literal=p=w",
    "create deployment d1 --image=nginx:1 --replicas=2 --port=80", "get deploy d1 -o jsonpath={.spec.template.spec.containers}",
    "create service clusterip s2 --tcp=80:8080", "get svc s2 -o jsonpath={.spec.ports}", "run r1 --image=busybox -- sleep 10", "get pod r1 -o jsonpath={.spec.containers[0].args}{.metadata.labels}", "run r2 --image=x --restart=Nope",
    "create serviceaccount sa1", "create job j1 --image=busybox -- echo a", "get job j1 -o jsonpath={.spec.template.spec}",
    "create cronjob k1 --image=busybox --schedule=@daily -- date", "get cj k1 -o jsonpath={.spec.schedule}{.spec.jobTemplate}",
    "create job j2 --from=cronjob/cron", "get job j2 -o jsonpath={.metadata.labels}{.metadata.annotations}{.metadata.ownerReferences[0].controller}{.metadata.ownerReferences[0].blockOwnerDeletion}",
    "create job j2 --from=cj/k1", "create cj k2 --image=a --schedule=x", "create cj k3 --image=busybox --schedule=@daily --restart=Never", "get cj k3 -o jsonpath={.spec.jobTemplate.spec.template.spec.restartPolicy}",
    "create deployment d1 --image=nginx:1", "create deployment d2 --image=nginx:1 --dry-run=server", "expose deploy web --name=w2 --port=81",
    "get svc w2 -o jsonpath={.spec.ports}{.spec.selector}", "delete svc w2 -o name", "delete cm c1 c2 -o name", "delete cm --all -o name",
    "delete deploy -l app=nope",
    "autoscale deploy web --min=2 --max=5 --cpu-percent=80", "autoscale deploy web --min=2 --max=5", "autoscale deploy/web --max=3 --name=h2",
    "get hpa web -o jsonpath={.spec.minReplicas}{.spec.maxReplicas}{.spec.metrics[*].resource.target.averageUtilization}",
    "autoscale deploy web --max=0", "autoscale deploy web --min=3 --max=2", "autoscale svc web --max=2",
    "autoscale deploy nope --max=2", "delete hpa web h2 -o name",
    "create poddisruptionbudget", "create pdb b1", "create pdb b1 --selector=a=b", "create pdb b1 --selector=a=b --min-available=x",
    "create pdb b1 --selector=a=b --min-available=1 --max-unavailable=1", "create pdb b1 --selector=a=b,, --min-available=1",
    "create pdb b1 --selector=a=b,e,!f --min-available=1", "get pdb b1 -o jsonpath={.spec}", "create pdb b1 --selector=a=b --max-unavailable=1",
    "create poddisruptionbudget b2 --selector=a=b --max-unavailable=50%", "get pdb b2 -o jsonpath={.spec}", "create pdb b3 --selector=a>1 --min-available=1",
    "create priorityclass", "create pc p1 --value=7 --description=seven --dry-run=server -o jsonpath={.value}{.description}{.preemptionPolicy}{.globalDefault}",
    "create priorityclass system-x --value=5", "create pc p1 --value=2000000000", "create pc p1 --preemption-policy=Sometimes",
]  # fmt: skip


async def finished_jobs(client: Client) -> None:
    """Nobody runs Jobs here: their statuses are told."""
    begun, ended = "2026-01-01T12:00:00Z", "2026-01-01T12:01:30Z"
    condition = {"status": "True", "lastTransitionTime": ended, "lastProbeTime": ended}
    done = [{"type": kind, **condition} for kind in ("SuccessCriteriaMet", "Complete")]
    indexes = ",".join(str(index) for index in range(0, 60, 2))
    statuses = {
        "done": {
            "startTime": begun,
            "completionTime": ended,
            "succeeded": 1,
            "failed": 2,
            "conditions": done,
        },
        "many": {"startTime": begun, "active": 3, "ready": 2, "succeeded": 30, "completedIndexes": indexes},
    }
    work = await client.get(r.JOBS, "work", "default")
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}
    for name, status in statuses.items():
        spec = {"completions": 60, "parallelism": 1, "completionMode": "Indexed"} if name == "many" else {}
        body = {
            "apiVersion": work["apiVersion"],
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {**spec, "template": template},
        }
        await client.create(r.JOBS, body, "default")
        await client.patch(r.JOBS, name, {"status": status}, "default", subresource="status")
    active = [
        {"apiVersion": "batch/v1", "kind": "Job", "namespace": "default", "name": name} for name in ("a", "b")
    ]
    status = {"status": {"lastScheduleTime": begun, "active": active}}
    await client.patch(r.CRON_JOBS, "cron", status, "default", subresource="status")


# kubectl shows a config map's keys in the order of Go's maps, which is another each time: their lines are compared as a set.
ANY_ORDER = ("describe cm cfg",)


def _sorted(answer: tuple[int, str, str]) -> tuple[int, str, str]:
    return answer[0], "\n".join(sorted(answer[1].split("\n"))), answer[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "commands", [UNKEPT, pytest.param(READING, marks=pytest.mark.full)], ids=["without an answer kept", "all"]
)
async def test_reading_commands_are_the_same(
    programs: tuple[Program, Program], api_server: ApiServerInProcess, commands: list[str]
) -> None:
    kubectl, ours = programs
    code, _, err = await kubectl("apply", "-f", "-", stdin=f"{MANIFEST}---\n{STORAGE}")
    assert code == 0, err
    await finished_jobs(api_server.local_client())
    differences = []
    for command in commands:
        for _ in range(3):
            theirs, mine = await asyncio.gather(kubectl(*words(command)), ours(*words(command)))
            if command in ANY_ORDER:
                theirs, mine = _sorted(theirs), _sorted(mine)
            if same(theirs, mine):
                break
        else:
            differences.append(difference(command, theirs, mine))
    assert not differences, "\n".join(differences)


@pytest.mark.slow
async def test_writing_commands_are_the_same(programs: tuple[Program, Program]) -> None:
    kubectl, ours = programs
    differences = []
    for step in [MANIFEST, MANIFEST, MANIFEST.replace("replicas: 2", "replicas: 4").replace("1.25", "1.26")]:
        applied = [
            await program("apply", "-f", "-", "-n", name, stdin=step.replace("nodePort: 30080", ""))
            for program, name in ((kubectl, "a"), (ours, "b"))
        ]
        if applied[0] != applied[1]:
            differences.append(difference("apply", *applied))
    for command in WRITING:
        theirs = await kubectl("-n", "a", *words(command))
        mine = await ours("-n", "b", *words(command))
        if theirs != mine:
            differences.append(difference(command, theirs, mine))
    assert not differences, "\n".join(differences)


AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: h, labels: {a: b}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 7
  behavior: {scaleDown: {stabilizationWindowSeconds: 60, policies: [{type: Pods, value: 2, periodSeconds: 30}]}}
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
  - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 100Mi}}}
  - {type: ContainerResource, containerResource: {name: cpu, container: c, target: {type: Utilization, averageUtilization: 50}}}
  - {type: Pods, pods: {metric: {name: hits}, target: {type: AverageValue, averageValue: "10"}}}
  - {type: Object, object: {metric: {name: load}, describedObject: {kind: Service, name: s}, target: {type: Value, value: "3"}}}
  - {type: Object, object: {metric: {name: each}, describedObject: {kind: Service, name: s}, target: {type: AverageValue, averageValue: "3"}}}
  - {type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: "4"}}}
  - {type: External, external: {metric: {name: total}, target: {type: Value, value: "5"}}}
"""
AUTOSCALER_STATUS = {
    "currentReplicas": 2, "desiredReplicas": 3,
    "conditions": [
        {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "recommended size matches current size"},
    ],
    "currentMetrics": [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40, "averageValue": "40m"}}},
        {"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "90Mi"}}},
        {"type": ""},
        {"type": "Pods", "pods": {"metric": {"name": "hits"}, "current": {"averageValue": "9"}}},
        {"type": "Object", "object": {"metric": {"name": "load"}, "describedObject": {"kind": "Service", "name": "s"},
                                      "current": {"value": "2"}}},
    ],
}  # fmt: skip


@pytest.mark.slow
async def test_autoscalers(programs: tuple[Program, Program], api_server: ApiServerInProcess) -> None:
    kubectl, pinnace = programs
    code, _, err = await kubectl("apply", "-f", "-", stdin=AUTOSCALER)
    assert code == 0, err
    before = await kubectl("describe", "hpa", "h"), await pinnace("describe", "hpa", "h")
    assert same(*before), difference("describe hpa without a status", *before)
    body = {"metadata": {}, "status": AUTOSCALER_STATUS}
    client = api_server.local_client()
    await client.patch(r.HORIZONTAL_POD_AUTOSCALERS, "h", body, "default", subresource="status")
    for command in ("describe hpa h", "describe hpa", "get hpa", "get hpa h -o wide"):
        theirs, mine = await kubectl(*words(command)), await pinnace(*words(command))
        assert same(theirs, mine), difference(command, theirs, mine)


CUSTOM = """
apiVersion: example.com/v1
kind: Foo
metadata: {name: a, labels: {x: "1"}}
spec: {size: big, replicas: 1, list: [1, 2]}
"""
ON_CUSTOM = [
    "get foos", "get fo", "get foo a", "get foos.example.com", "get foos.v1.example.com a", "get all", "get foos -o wide", "get foo a -o name",
    "get foo a -o jsonpath={.spec.size}", "get foo a --show-labels", "get foo nope", "scale foo a --replicas=3", "get foo a -o jsonpath={.spec.replicas}",
    'patch foo a --type=merge -p {"spec":{"size":"small"}}', 'patch foo a -p {"spec":{"size":"x"}}', 'patch foo a --type=merge -p {"spec":{"size":5}}',
    "label foo a y=2", "annotate foo a n=1", "wait foo a --for=jsonpath={.spec.size}=small --timeout=1s", "delete foo nope",
    "delete foo a -o name", "get foos",
]  # fmt: skip


@pytest.mark.slow
async def test_custom_resources(programs: tuple[Program, Program], api_server: ApiServerInProcess) -> None:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {"size": {"type": "string"}, "replicas": {"type": "integer"},
                               "list": {"type": "array", "items": {"type": "integer"}}},
            },
            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
        },
    }  # fmt: skip
    columns = [{"name": "Size", "type": "string", "jsonPath": ".spec.size"},
               {"name": "List", "type": "string", "jsonPath": ".spec.list", "priority": 1},
               {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]  # fmt: skip
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    body = definition(version(schema=schema, additionalPrinterColumns=columns, subresources={"scale": scale}))
    body["spec"]["names"] |= {"shortNames": ["fo"], "categories": ["all"]}
    await establish(api_server.local_client(), body)
    kubectl, pinnace = programs
    for manifest in (CUSTOM, CUSTOM, CUSTOM.replace("list: [1, 2]", "list: [3]")):
        theirs = await kubectl("apply", "-n", "a", "-f", "-", stdin=manifest)
        assert await pinnace("apply", "-n", "b", "-f", "-", stdin=manifest) == theirs
    differences = []
    for command in ON_CUSTOM:
        theirs = await kubectl("-n", "a", *words(command))
        mine = await pinnace("-n", "b", *words(command))
        if not same(
            theirs,
            (
                mine[0],
                mine[1].replace('"b"', '"a"'),
                mine[2].replace('"b"', '"a"').replace("in b n", "in a n"),
            ),
        ):
            differences.append(difference(command, theirs, mine))
    assert not differences, "\n\n".join(differences)
