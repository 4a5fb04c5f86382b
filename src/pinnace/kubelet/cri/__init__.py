"""The container runtime interface (CRI v1): contract, messages, the gRPC client, and a private containerd to talk to."""
