"""NetworkPolicies on this node: from policies, namespaces and pods to one nftables table that judges each connection.

Owns one nftables table, which exists only while the cluster has policies. May watch the API; knows nothing of Services:
packets are judged after the service proxy has chosen the pod.
"""
