"""Control groups of pods: which hierarchy this machine has, and making and removing a pod's groups in it."""
