"""The service proxy: turns Services and EndpointSlices into nftables rules."""
