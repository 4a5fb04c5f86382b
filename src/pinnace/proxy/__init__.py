"""The service proxy: turns Services, EndpointSlices and host ports into nftables rules.

Owns one nftables table with the cluster's name. Leaves out IPv6.
"""
