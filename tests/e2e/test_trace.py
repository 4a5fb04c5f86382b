"""`pinnace trace` on a real node: every step of a pod's start is recorded, from the request to the service rules."""

import json

from e2e_support import Space, deployment, pinnace, service, until

def test_try(space: Space) -> None:
    space.apply(service("web"))
    environment = {"KUBECONFIG": str(space.cluster.kubeconfig)}
    space.apply(deployment("web"))
    done = pinnace("trace", "deployment/web", "-n", space.name, "--follow", "--timeout=30s", env=environment, check=False)
    print(done.stdout, done.stderr)
    done = pinnace("trace", "deployment/web", "-n", space.name, env=environment)
    print(done.stdout)
    done = pinnace("trace", "deployment/web", "-n", space.name, "-o", "svg", env=environment)
    open("/tmp/tr/t.svg", "w").write(done.stdout)
    assert 0
