"""The ingress controller: turns Ingresses into the configuration of a supervised HAProxy."""
