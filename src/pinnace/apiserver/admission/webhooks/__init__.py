"""Admission webhooks: which are configured, which a request concerns, what they are asked, and what their answers mean."""
