"""API Priority and Fairness: which requests may run now, which wait in which queue, and which are told to come back."""
