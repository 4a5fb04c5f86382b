"""Our command line beside the real kubectl: both as functions of the test, one server, and what counts as the same."""

import difflib
import re
from collections.abc import Awaitable, Callable

Program = Callable[..., Awaitable[tuple[int, str, str]]]
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: setup, image: busybox, command: [sh, -c, "echo a\\necho b"]}]
      containers:
      - name: web
        image: nginx:1.25
        ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
        env: [{name: A, value: "1"}, {name: S, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}]
        envFrom: [{configMapRef: {name: cfg}}]
        livenessProbe: {httpGet: {path: /, port: 80}}
        readinessProbe: {exec: {command: [cat, /ready]}, initialDelaySeconds: 3}
        volumeMounts: [{name: data, mountPath: /data}, {name: cfg, mountPath: /etc/cfg, readOnly: true, subPath: a}]
      volumes: [{name: data, emptyDir: {}}, {name: cfg, configMap: {name: cfg}}, {name: host, hostPath: {path: /srv}}]
      nodeSelector: {disk: ssd}
      tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
---
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}, annotations: {note: "two\\nlines"}}
spec:
  containers:
  - {name: main, image: busybox, command: [sleep, "1000"], env: [{name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}
  - {name: side, image: busybox}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, name: http, targetPort: 80, nodePort: 30080}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cfg}
data: {a: "1", text: "several\\nlines\\n", odd: "yes"}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {k: v}
---
apiVersion: batch/v1
kind: Job
metadata: {name: work, annotations: {note: x}}
spec:
  parallelism: 3
  completions: 5
  completionMode: Indexed
  activeDeadlineSeconds: 100
  ttlSecondsAfterFinished: 60
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox, command: [echo, a]}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron}
spec:
  schedule: "*/5 * * * *"
  timeZone: Europe/Berlin
  startingDeadlineSeconds: 30
  jobTemplate:
    metadata: {labels: {a: b}, annotations: {c: d}}
    spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: c, image: busybox}]}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  tls: [{hosts: [web.example.com], secretName: tls}]
  rules: [{host: web.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
"""  # fmt: skip
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "n1",
        "labels": {"kubernetes.io/hostname": "n1", "node-role.kubernetes.io/worker": ""},
    },
    "spec": {"taints": [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]},
    "status": {
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        "allocatable": {"cpu": "3500m", "memory": "7Gi", "pods": "110"},
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian", "kernelVersion": "6.1"},
    },
}


def words(command: str) -> list[str]:
    """Split at spaces, but not those of a selector or a JSON patch."""
    head, brace, rest = command.partition(" -p ")
    if not brace and " in (" in command:
        return ["get", "pods", "-l", "app in ("]
    return [*head.split(), "-p", rest] if brace else head.split()


def same(theirs: tuple[int, str, str], mine: tuple[int, str, str]) -> bool:
    """Equal but for ages, which tick over, one line that kubectl 1.33 words anew, and a format that 1.34 brought."""
    mine = (*mine[:2], mine[2].replace("jsonpath-file,kyaml,name", "jsonpath-file,name"))
    if theirs == mine:
        return True

    def steady(text: str) -> str:
        text = re.sub(
            r"ConfigMapOptional: +<nil>",
            "Optional: false",
            re.sub(r"Optional: +false", "Optional: false", text),
        )
        return re.sub(r" +", " ", re.sub(r"\b(\d+[dhms])+\b", "AGE", text))

    return (theirs[0], *map(steady, theirs[1:])) == (mine[0], *map(steady, mine[1:]))


def difference(command: str, theirs: tuple[int, str, str], mine: tuple[int, str, str]) -> str:
    """Where the two outputs differ; kubectl's lines begin with -, ours with +."""
    lines = [f"exit code {theirs[0]} and {mine[0]}"]
    for before, after in zip(theirs[1:], mine[1:], strict=True):
        lines += difflib.unified_diff(str(before).splitlines(), str(after).splitlines(), lineterm="", n=0)
    return "\n   ".join([command, *lines])
