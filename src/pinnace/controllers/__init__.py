"""The controllers: each one file that reads caches and makes the difference between declared and observed smaller."""
