"""Reviews of tokens and of oneself."""
