"""Statistics of the node and its pods: cpu, memory, filesystems, network, processes.

Reads /proc, cgroup files and the runtime when somebody asks, never by itself; keeps only the last sample, so that rates can
be computed.
"""
