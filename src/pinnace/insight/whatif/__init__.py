"""What would make a pod fit: each node's obstacles, computed here from pods, nodes and volumes, and the smallest change. Pure."""
