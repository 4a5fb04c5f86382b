"""Device plugins: programs that offer devices of the node as extended resources, and say how containers get them."""
