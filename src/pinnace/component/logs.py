"""The one place where logging is set up: `--logging-format` and `-v`. Modules log through `logging.getLogger(__name__)`.

Key-values travel in `extra=fields(...)`: JSON lines show them as keys, text as `key="value"`. Levels: -v 0 warnings and errors,
1 and more what happens, 2 and more details, 3 and more a line per request (logger `pinnace.httplog`).
"""

import json
import logging
import sys
from typing import Any, TextIO

FORMATS = ("text", "json")
HTTPLOG = "pinnace.httplog"
HTTPLOG_VERBOSITY = 3
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_TEXT = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
_FIELDS = "fields"


def fields(**values: object) -> dict[str, dict[str, object]]:
    """For `extra=`; a name with `_` in it is written with `-`."""
    return {_FIELDS: {name.replace("_", "-"): value for name, value in values.items()}}


def configure(verbosity: int = 0, style: str = "text", stream: TextIO | None = None) -> None:
    """Replaces what was set up before. Raises ValueError for a style that is none."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(formatter(style))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_LEVELS[max(0, min(verbosity, len(_LEVELS) - 1))])
    requests = logging.INFO if verbosity >= HTTPLOG_VERBOSITY else logging.CRITICAL
    logging.getLogger(HTTPLOG).setLevel(requests)


def logs_requests() -> bool:
    """Whether a line per request is wanted; not before somebody has set logging up."""
    own = logging.getLogger(HTTPLOG)
    return own.level == logging.INFO


def formatter(style: str) -> logging.Formatter:
    if style not in FORMATS:
        raise ValueError(f'Unsupported log format: "{style}"')
    return _Json() if style == "json" else _Text(_TEXT)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line, values = super().format(record), getattr(record, _FIELDS, None)
        if not values:
            return line
        return f"{line} " + " ".join(f"{name}={_quoted(value)}" for name, value in values.items())


def _quoted(value: object) -> str:
    return str(value) if isinstance(value, int | float) else json.dumps(str(value), ensure_ascii=False)


class _Json(logging.Formatter):
    """One object per line, with the keys of upstream's JSON format: ts (milliseconds), caller, msg, v or err; and level, logger."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": round(record.created * 1000, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "caller": f"{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
        }
        if record.levelno < logging.WARNING:
            line["v"] = HTTPLOG_VERBOSITY if record.name == HTTPLOG else _verbosity(record.levelno)
        values = getattr(record, _FIELDS, None) or {}
        line |= {name: value for name, value in values.items() if name not in line}
        if record.exc_info:
            line["err"] = str(record.exc_info[1]) or type(record.exc_info[1]).__name__
            line["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _verbosity(level: int) -> int:
    return next(at for at, least in enumerate(_LEVELS) if level >= least or at == len(_LEVELS) - 1)
