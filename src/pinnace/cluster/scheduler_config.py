"""The file of `--kube-scheduler-config`: read at the start, again whenever the scheduler starts."""

import logging

from pinnace.cluster import yaml_file
from pinnace.cluster.config import ClusterConfig
from pinnace.scheduler.settings import DEFAULT_SETTINGS, SchedulerSettings

log = logging.getLogger(__name__)


def scheduler_settings(config: ClusterConfig) -> SchedulerSettings:
    """What the file says, or the defaults."""
    if not config.kube_scheduler_config:
        return DEFAULT_SETTINGS
    settings = load(config.kube_scheduler_config)
    if settings.without_effect:
        log.warning(
            "%s: %s: no effect here, since the scheduler runs in the server's process",
            config.kube_scheduler_config, ", ".join(settings.without_effect),
        )  # fmt: skip
    return settings


def load(path: str) -> SchedulerSettings:
    """Raises UsageError."""
    from pinnace.scheduler.configuration import read

    return yaml_file.load("--kube-scheduler-config", path, read)
