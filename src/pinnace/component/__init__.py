"""What every part has: clock, tasks, logs, metrics, health, configuration.

Owns nothing of Kubernetes; may touch the operating system only through the injected clock and the logging set-up.
"""
