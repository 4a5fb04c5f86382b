"""Controllers about nodes: `lifecycle` (is it alive?), `taint_eviction` (who must leave?), `zones` (how fast?), `taints` (shared)."""
