"""What the two plugins of admission policies share: policies with their bindings, matching, parameters, evaluation."""
