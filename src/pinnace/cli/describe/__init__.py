"""`describe`: one file a kind, and a generic one for every other; laid out exactly as kubectl does."""
