"""The kubelet's HTTPS API on port 10250: logs, exec, attach, port-forward, pods, statistics and metrics.

One module per family of endpoints. Owns no state of pods: it reads the core through `contracts.KubeletHost`, and lets every
request pass authentication and authorization by the API server first.
"""
