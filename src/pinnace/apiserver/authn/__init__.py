"""Who is asking: client certificates, bearer tokens, service-account tokens, anonymous."""
