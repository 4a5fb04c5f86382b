"""The ingress controller: turns Ingresses into the configuration of a supervised HAProxy.

Owns one HAProxy process and its directory. Leaves out annotations for rewrites, sticky sessions and timeouts.
"""
