"""The service proxy: turns Services, EndpointSlices and host ports into nftables rules.

Owns one nftables table with the cluster's name for each family of addresses that the cluster has.
"""
