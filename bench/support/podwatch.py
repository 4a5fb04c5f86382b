"""A process that watches pods and notes when it saw each created and bound; both times are of its own clock.

    python podwatch.py SERVER_HOST PORT CA PATH PODS LIMIT_S     (token in $BENCH_TOKEN)

Prints `open` once the watch has answered, then one JSON line: {"created": {pod: s}, "bound": {pod: s}, "cpu_s": s}.
"""

import json
import os
import ssl
import sys
import time
import urllib.request


def main():
    host, port, ca, path, pods, limit = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca)
    base = f"https://{host}:{port}"
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"}
    created, bound, end = {}, {}, time.monotonic() + float(limit)
    version, said = "", False
    while len(bound) < int(pods) and time.monotonic() < end:
        if not version:
            request = urllib.request.Request(f"{base}{path}&limit=1", headers=headers)
            with urllib.request.urlopen(request, context=context, timeout=60) as answer:
                version = json.load(answer)["metadata"]["resourceVersion"]
        request = urllib.request.Request(f"{base}{path}&watch=1&resourceVersion={version}", headers=headers)
        with urllib.request.urlopen(request, context=context, timeout=float(limit)) as answer:
            if not said:
                print("open", flush=True)
                said = True
            for line in answer:
                now, event = time.monotonic(), json.loads(line)
                metadata = event["object"]["metadata"]
                version = metadata["resourceVersion"]
                created.setdefault(metadata["name"], now)
                if event["object"]["spec"].get("nodeName"):
                    bound.setdefault(metadata["name"], now)
                if len(bound) >= int(pods) or now > end:
                    break
    print(json.dumps({"created": created, "bound": bound, "cpu_s": time.process_time()}))


if __name__ == "__main__":
    main()
