"""What the benchmarks share: a cluster of their own, a client that costs little, processes' cost, and the report."""
