"""`pinnace demo`: a Deployment, a Service and an Ingress that answer over HTTP, from an image made on this machine.

The image is Debian's busybox-static with one page; nothing is downloaded.
"""

import http.client
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from pinnace.cluster import images
from pinnace.cluster.image_archive import ImageSettings
from pinnace.cluster.preflight import find_program
from pinnace.cluster.state import RunState
from pinnace.component.blocking_clock import BlockingClock

IMAGE = "pinnace.local/demo:1"
HOST = "demo.localhost"
SERVE = "trap 'exit 0' TERM; httpd -f -v -p 8080 -h /www & wait"  # process 1 must answer SIGTERM itself
PAGE = "<!doctype html><title>Pinnace</title><h1>Hello from Pinnace</h1><p>A Deployment, a Service and an Ingress answered you.\n"
APPLETS = ("sh", "httpd", "cat", "ls", "echo", "sleep", "wget", "nslookup", "ps", "top", "vi", "grep", "env", "hostname", "id",
           "date", "tail", "head", "touch", "mkdir", "rm", "cp", "mv", "tar", "ip", "ping", "nc", "df", "mount", "kill",
           "true", "false", "test", "seq", "stat", "find", "sed", "awk", "wc", "sort", "tr", "dd", "yes", "od", "md5sum",
           "sha256sum", "printf", "sync", "uname", "whoami", "which", "xargs", "expr", "cut", "base64", "readlink")  # fmt: skip


def root_directory(target: Path) -> None:
    """A root file system of busybox with one web page; raises ImageError when busybox is not on the machine."""
    busybox = find_program("busybox")
    if not busybox:
        raise images.ImageError("busybox is not installed: run `apt-get install -y busybox-static`")
    for directory in ("bin", "etc", "tmp", "www", "root", "var"):
        (target / directory).mkdir()
    (target / "tmp").chmod(0o1777)
    shutil.copy(busybox, target / "bin" / "busybox")
    for applet in APPLETS:
        (target / "bin" / applet).symlink_to("busybox")
    (target / "etc" / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    )
    (target / "etc" / "group").write_text("root:x:0:\nnobody:x:65534:\n")
    (target / "www" / "index.html").write_text(PAGE)


def load_image(socket: str, tag: str = IMAGE) -> str:
    """Build the demo image and import it into the node's containerd."""
    with tempfile.TemporaryDirectory(prefix="pinnace-demo-") as scratch:
        root_directory(Path(scratch))
        settings = ImageSettings(cmd=("sh", "-c", SERVE), ports=(8080,))
        return images.load(socket, Path(scratch), tag, settings)


def manifests() -> list[dict[str, Any]]:
    labels = {"app": "demo"}
    probe = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5}
    container = {
        "name": "web",
        "image": IMAGE,
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": probe,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    backend = {"service": {"name": "demo", "port": {"name": "http"}}}
    return [
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "demo", "namespace": "default", "labels": labels},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}},
        },
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "demo", "namespace": "default", "labels": labels},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
        {
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "demo", "namespace": "default", "labels": labels},
            "spec": {"rules": [{"host": HOST, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
        },
    ]  # fmt: skip


def run(name: str, directory: Path) -> int:
    """Deploy the demo on a running cluster and wait for its answer."""
    from pinnace.cluster.api import ClusterApi

    state = RunState(directory)
    record = state.read()
    if not state.is_running():
        sys.stderr.write(f"error: cluster {name!r} is not running: start it with `pinnace up`\n")
        return 1
    if not record.get("containerdSocket"):
        sys.stdout.write("The demo needs a real node; this cluster has none.\n")
        return 0
    load_image(record["containerdSocket"])
    api = ClusterApi(record["server"], directory)
    for manifest in manifests():
        api.apply(manifest)
    port, where = record.get("httpPort") or 0, f"http://{HOST}"
    url = where if port == 80 else f"{where}:{port}"
    if not port:
        sys.stdout.write(
            "Ingress is not served on this machine (`pinnace status` says why); the demo runs without it.\n"
        )
        return 0
    if not _answers(port):
        sys.stderr.write(
            f"error: the demo did not answer at {url} within 30 s: look with `kubectl describe pods -l app=demo`\n"
        )
        return 1
    sys.stdout.write(NEXT.format(url=url, context=record.get("context", name), port=port, host=HOST))
    return 0


NEXT = """\
The demo answers: {url}

What to type next:
  curl -H 'Host: {host}' http://127.0.0.1:{port}/
  kubectl get pods -o wide
  kubectl scale deployment demo --replicas=3
  kubectl rollout restart deployment demo
  kubectl logs deployment/demo --tail=5
"""


def _answers(port: int, within: float = 30.0) -> bool:
    clock = BlockingClock()
    end = clock.monotonic() + within
    while clock.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/", headers={"Host": HOST})
            if connection.getresponse().status == 200:
                return True
        except OSError:
            pass
        finally:
            connection.close()
        clock.sleep(0.1)
    return False
