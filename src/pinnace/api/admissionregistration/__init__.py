"""Kinds of admissionregistration.k8s.io: webhooks (and, beside them, policies) that judge requests."""
