"""Calls from the API server to servers that extend it: admission and conversion webhooks, aggregated API servers."""
