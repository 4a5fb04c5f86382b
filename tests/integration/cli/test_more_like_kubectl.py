"""Further commands of `pinnace` beside the real kubectl: kubectl works in namespace a, ours in b, at the same time."""

import asyncio
import base64
import json
import os
import re
import signal
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from beside_kubectl import MANIFEST, Program, difference, same
from pinnace.testing.api_server import ApiServerInProcess

pytestmark = pytest.mark.slow
Programs = tuple[Program, Program]
Answer = tuple[int, str, str]

EXPLAIN = [
    "explain pods", "explain deployments.apps.spec.template", "explain pod.spec --recursive", "explain crd.spec.versions.schema",
    "explain po.spec.containers.imagePullPolicy", "explain ingress.spec.rules.host", "explain cm.data", "explain sc",
    "explain hpa --api-version=autoscaling/v1", "explain hpa --api-version=autoscaling/v9", "explain nope", "explain",
    "explain pods.spec.nope", "explain a b",
]  # fmt: skip
SET = [
    "set image deploy/web web=nginx:2", "set image deploy/web web=nginx:2", "set image deploy web nope=x", "set image deploy web",
    "set image web=x", "set image deploy/web *=q a=b", "set image deploy/nope a=b", "set image svc/web a=b",
    "set image deploy web setup=x web=y -o name", "set image deploy web web=z --dry-run=server", "set image deploy web web=z --local",
    "set image pods,deploy --all *=bb", "set image deploy web web=", "set image cj/cron c=r", "set image deploy/web web=a nope=b",
    "set env deploy/web X=1", "set env deploy/web X-", "set env deploy web --list", "set env deploy web --list --resolve",
    "set env deploy/web A=2 --overwrite=false", "set env deploy/web -c nope A=2", "set env deploy/web -c s* B=2",
    "set env deploy/web --from=cm/cfg --keys=a --prefix=P_", "set env deploy/web --from=secret/s", "set env deploy/web --keys=k",
    "set env deploy/web --from=deploy/web", "set env A=1", "set env deploy/web X=1 svc", "set env deploy/web A=3 --list",
    "set env deploy/web A=1 A-", "set env deploy/web 9=1", "set env deploy/web -e M=1 -e N-", "set env pod one --list --resolve",
    "set resources deploy web -c=web --limits=cpu=200m,memory=512Mi", "set resources deploy web --limits=cpu=0.2 --requests=cpu=100m",
    "set resources deploy web --limits=cpu=0,memory=0", "set resources deploy web", "set resources deploy web -c nope --limits=cpu=1",
    "set resources deploy web --limits=cpu", "set resources deploy web --limits=cpu=x", "set resources svc web --limits=cpu=1",
    "set selector svc web a=b", "set selector deploy web a=b", "set selector svc web", "set selector svc nope a=b",
    "set selector svc web a=b --resource-version=1", "set selector svc web a=d,e=f", "set selector svc/web a!=b", "set selector svc web a",
    "set selector", "get svc web -o jsonpath={.spec.selector}", "set serviceaccount deploy web sa1", "set sa deploy/web",
    "set sa", "set sa svc/web x", "set sa deploy/web x -o name", "set subject rolebinding rb --user=b", "set subject rolebinding rb --user=b",
    "set subject rolebinding rb --serviceaccount=a:x --group=g", "set subject rolebinding rb --serviceaccount=x",
    "set subject rolebinding rb", "set subject deploy web --user=x", "set subject rolebinding rb --user=z --dry-run=client",
    "get rolebinding rb -o jsonpath={.subjects}", "get deploy web -o jsonpath={.spec.template.spec}",
]  # fmt: skip
OTHERS = [
    "events", "events --for pod/one", "events --for pod", "events --for nope/x", "events --types=Warning", "events --types=x",
    "events --no-headers", "events -A --for pod/none", "port-forward", "port-forward nope 80", "port-forward svc/nope 80",
    "cp", "cp a b", "cp /nope one:/x", "cp nope:/x /tmp/x", "cp one:/x one:/y", "cp one: /tmp/x", "cp a/b/one:/x /tmp/x"
]  # fmt: skip
CONFIG = [
    "set-cluster c1 --server=https://x:1", "set-cluster c1 --server=https://x:2 --insecure-skip-tls-verify=true",
    "set-cluster c3 --tls-server-name=a --proxy-url=http://p", "set-credentials u1 --token=abc",
    "set-credentials u1 --username=a --password=b", "set-credentials u2 --token=a --username=b",
    "set-credentials u4 --exec-command=foo --exec-arg=a --exec-arg=b --exec-env=K=v --exec-api-version=client.authentication.k8s.io/v1",
    "set-credentials u5 --exec-command=foo", "set-context x1 --cluster=c1 --user=u1 --namespace=n",
    "set-context x1 --namespace=m", "set-context", "set-context --current --namespace=q", "use-context x1", "use-context nope",
    "use x1", "rename-context x1 x2", "rename-context nope y", "rename-context x2 x2", "rename-context x2 pinnace-test",
    "get-contexts", "get-contexts nope", "get-contexts x2", "get-contexts -o name", "get-contexts -o yaml", "get-users",
    "set current-context x2", "set clusters.c1.server https://q", "set users.u1.token zz", "set contexts.x2.namespace ns",
    "set nope.x y", "set contexts.new.cluster c1", "set clusters.c1.insecure-skip-tls-verify true",
    "set clusters.c1.insecure-skip-tls-verify maybe", "set clusters.c1.certificate-authority-data abc",
    "set clusters.c1.certificate-authority-data abc --set-raw-bytes=true", "set preferences.colors true", "view",
    "unset users.u1.token", "unset users.u2", "unset nope", "unset contexts.none", "unset clusters.zz.server",
    "delete-context x2", "delete-context x2", "unset current-context", "delete-cluster c1", "delete-cluster nope",
    "delete-user u1", "delete-user nope", "delete-user", "current-context", "view --raw",
]  # fmt: skip
FORMATS = [
    "get pods -o go-template={{.nope}}", "get pod one -o go-template", "get pod one -o template --template={{.kind}}",
    "get pod one --template={{.metadata.name}}", "get pod one -o go-template-file=/nope", "get pods -o jsonpath-file=/nope",
    "certificate approve", "certificate deny nope", "certificate approve x y", "plugin list",
]  # fmt: skip
EVENTS = """
apiVersion: v1
kind: Event
metadata: {name: e1}
involvedObject: {apiVersion: v1, kind: Pod, name: one, namespace: NS}
type: Warning
reason: Bad
message: "broken "
firstTimestamp: 2026-01-01T10:00:00Z
lastTimestamp: 2026-01-01T12:00:00Z
count: 3
---
apiVersion: v1
kind: Event
metadata: {name: e2}
involvedObject: {apiVersion: v1, kind: Service, name: web, namespace: NS}
type: Normal
reason: Good
message: fine
firstTimestamp: 2026-01-01T11:00:00Z
lastTimestamp: 2026-01-01T11:00:00Z
count: 1
---
apiVersion: v1
kind: Event
metadata: {name: e3}
involvedObject: {apiVersion: v1, kind: Pod, name: two, namespace: NS}
type: Normal
"""


def as_in_a(answer: Answer) -> Answer:
    """What ours says of its namespace, as if it were kubectl's."""
    code, out, err = answer
    return code, out, err.replace(" in b namespace", " in a namespace")


async def both(programs: Programs, *arguments: str, stdin: str = "") -> tuple[Answer, Answer]:
    kubectl, ours = programs
    theirs, mine = await asyncio.gather(
        kubectl("-n", "a", *arguments, stdin=stdin), ours("-n", "b", *arguments, stdin=stdin)
    )
    return theirs, as_in_a(mine)


async def differences(programs: Programs, commands: list[str]) -> str:
    found = []
    for command in commands:
        for _ in range(3):  # ages tick over
            theirs, mine = await both(programs, *command.split())
            if same(theirs, mine):
                break
        else:
            found.append(difference(command, theirs, mine))
    return "\n".join(found)


async def prepared(programs: Programs) -> None:
    for arguments in (("apply", "-f", "-"), ("create", "rolebinding", "rb", "--role=r", "--user=u")):
        for namespace in ("a", "b"):
            manifest = MANIFEST.replace(", nodePort: 30080", "")
            code, _, err = await programs[0]("-n", namespace, *arguments, stdin=manifest)
            assert code == 0, err


async def test_explain(programs: Programs) -> None:
    assert not await differences(programs, EXPLAIN)


async def test_set(programs: Programs) -> None:
    await prepared(programs)
    assert not await differences(programs, SET)


async def test_events_and_the_errors_of_streams(programs: Programs) -> None:
    await prepared(programs)
    for namespace in ("a", "b"):
        code, _, err = await programs[0](
            "-n", namespace, "create", "-f", "-", stdin=EVENTS.replace("NS", namespace)
        )
        assert code == 0, err
    assert not await differences(programs, OTHERS)


async def test_formats_certificates_and_plugins(programs: Programs) -> None:
    await prepared(programs)
    assert not await differences(programs, FORMATS)
    template = '{{range .items}}{{.metadata.name}}: {{exists . "data" "a"}} {{.nope}}{{"\\n"}}{{end}}'
    theirs, mine = await both(programs, "get", "cm,secret", "-o", f"go-template={template}")
    assert theirs == mine
    theirs, mine = await both(programs, "get", "secret", "s", "-o", "go-template={{.data.k | base64decode}}")
    assert theirs == mine == (0, "v", "")


REQUEST = """
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: NAME}
spec: {request: BODY, signerName: example.com/x, usages: [digital signature]}
"""


async def test_certificate_requests_are_approved_and_denied(programs: Programs) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    body = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    for name in ("one", "two"):
        code, _, err = await programs[0](
            "create", "-f", "-", stdin=REQUEST.replace("NAME", name).replace("BODY", body)
        )
        assert code == 0, err
    conditions = "{.status.conditions[*]['type','status','reason','message']}"
    seen = []
    for program, name in zip(programs, ("one", "two"), strict=True):
        answers = [
            await program(*words)
            for words in (("certificate", "approve", name), ("get", "csr", name, "-o", f"jsonpath={conditions}"),
                          ("certificate", "approve", name), ("certificate", "deny", name))
        ]  # fmt: skip
        seen.append(
            [(code, out.replace("two", "one"), err.replace("two", "one")) for code, out, err in answers]
        )
    assert seen[0] == seen[1]
    assert seen[0][0][1] == "certificatesigningrequest.certificates.k8s.io/one approved\n"


def plain_diff(answer: Answer) -> Answer:
    """Without names of files, times and identities."""
    code, out, err = answer
    lines = [line for line in out.splitlines() if not line.startswith(("diff ", "--- ", "+++ "))]
    text = re.sub(r'(uid: |Timestamp: |namespace"?: ?"?)\S+', r"\1X", "\n".join(lines))
    return code, text.replace('"namespace":"a"', "").replace('"namespace":"b"', ""), err


async def test_diff(programs: Programs) -> None:
    await prepared(programs)
    changed = (
        MANIFEST.replace(", nodePort: 30080", "")
        .replace("nginx:1.25", "nginx:9")
        .replace("k: v", "k: w, n: new")
    )
    new = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\ndata: {a: b}\n"
    for stdin in (changed, new, MANIFEST.replace(", nodePort: 30080", "")):
        theirs, mine = map(plain_diff, await both(programs, "diff", "-f", "-", stdin=stdin))
        assert theirs == mine
    theirs, mine = map(plain_diff, await both(programs, "diff", "--server-side", "-f", "-", stdin=new))
    assert theirs == mine
    for words in (("diff",), ("diff", "-f", "/nope")):
        theirs, mine = await both(programs, *words)
        assert theirs == mine
        assert theirs[0] == 2


ROLES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {namespace: NS, name: rr, labels: {a: b}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {namespace: NS, name: rrb}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: rr}
subjects: [{kind: User, name: u, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: NS, name: ignored}
"""


async def test_roles_and_bindings_are_reconciled(programs: Programs) -> None:
    other = ROLES.replace("[get, list]", "[watch]").replace("name: u,", "name: w,")
    exact = ("--remove-extra-permissions", "--remove-extra-subjects")
    steps = [
        (ROLES, ()), (ROLES, ()), (other, ()), (other, (*exact, "--dry-run=client")), (other, exact),
        (ROLES.replace("kind: Role, name: rr}", "kind: Role, name: r3}"), ()), (ROLES, ("-o", "name")),
    ]  # fmt: skip
    for manifest, flags in steps:
        answers = [
            await program("-n", namespace, "auth", "reconcile", "-f", "-", *flags, stdin=manifest.replace("NS", namespace))
            for program, namespace in zip(programs, ("a", "b"), strict=True)
        ]  # fmt: skip
        assert answers[0] == answers[1]
        theirs, mine = await both(
            programs,
            "get",
            "role/rr",
            "rolebinding/rrb",
            "-o",
            "jsonpath={.items[*]['rules','subjects','roleRef']}",
        )
        assert theirs == mine


async def test_config_leaves_the_same_files(
    api_server: ApiServerInProcess, programs: Programs, tmp_path: Path
) -> None:
    files = tmp_path / "theirs", tmp_path / "ours"
    for path in files:
        path.mkdir()
        (path / "config").write_text(api_server.kubeconfig().read_text())
    found = []
    for command in CONFIG:
        answers = [
            await program("--kubeconfig", str(path / "config"), "config", *command.split())
            for program, path in zip(programs, files, strict=True)
        ]
        theirs, mine = (
            (code, out.replace(str(path), "DIR"), err.replace(str(path), "DIR"))
            for (code, out, err), path in zip(answers, files, strict=True)
        )
        if theirs != mine:
            found.append(difference(command, theirs, mine))
        texts = [(path / "config").read_text() for path in files]
        if texts[0] != texts[1]:
            found.append(difference(f"the file after {command}", (0, texts[0], ""), (0, texts[1], "")))
            (files[1] / "config").write_text(texts[0])
    assert not found, "\n".join(found)


async def test_what_is_not_there_is_refused(programs: Programs) -> None:
    code, out, err = await programs[1]("explain", "pods", "--output=plaintext-openapiv2")
    assert (code, out) == (1, "")
    assert "OpenAPI v2" in err


async def test_variables_come_from_standard_input(programs: Programs) -> None:
    await prepared(programs)
    for target, path in (("pod/one", "{.spec"), ("deploy/web", "{.spec.template.spec")):
        # Not {..env}: kubectl walks maps in an order that is another each time.
        output = f"jsonpath={path}.containers[*].env}}"
        arguments = ("set", "env", target, "-", "--dry-run=client", "-o", output)
        theirs, mine = await both(programs, *arguments, stdin="A=b c\n# no\nD=\n")
        assert theirs == mine


async def test_a_proxy_serves_the_api_and_files_but_not_to_strangers(
    api_server: ApiServerInProcess, tmp_path: Path
) -> None:
    (tmp_path / "page").write_text("hello")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pinnace", "proxy", "--port=0", f"--www={tmp_path}", "--api-prefix=/k8s",
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "KUBECONFIG": str(api_server.kubeconfig()), "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        port = int(line.removeprefix("Starting to serve on 127.0.0.1:"))

        def ask(method: str, path: str, host: str = "localhost", body: str = "") -> tuple[int, bytes]:
            connection = HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request(method, path, body or None, {"Host": host, "Content-Type": "application/json"})
            answer = connection.getresponse()
            found = answer.status, answer.read()
            connection.close()
            return found

        async def asked(*arguments: str) -> tuple[int, bytes]:
            return await asyncio.to_thread(ask, *arguments)

        assert json.loads((await asked("GET", "/k8s/api"))[1])["versions"] == ["v1"]
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made"}}
        assert (await asked("POST", "/k8s/api/v1/namespaces", "localhost", json.dumps(made)))[0] == 201
        assert (await asked("GET", "/k8s/api/v1/namespaces/nope"))[0] == 404
        assert await asked("GET", "/k8s/api", "evil.example") == (403, b"Forbidden\n")
        assert (await asked("GET", "/k8s/api/v1/namespaces/a/pods/one/exec"))[0] == 403
        assert await asked("GET", "/static/page") == (200, b"hello")
        assert (await asked("GET", "/api"))[0] == 404
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGINT  # as kubectl
