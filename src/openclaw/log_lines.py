"""How an event of the log becomes a line. Pure.

The format of the file's lines is the original's, so that its `openclaw logs` can read ours:
`{"0": text, "1": {fields}, "_meta": {"date", "logLevelName", "name"}, "time"}`, where `_meta.name`
is JSON that holds the subsystem.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from openclaw.config.redact import is_secret_key
from openclaw.config.tree import is_list, is_tree

_LEVEL_NAMES = {
    logging.CRITICAL: "FATAL",
    logging.ERROR: "ERROR",
    logging.WARNING: "WARN",
    logging.INFO: "INFO",
    logging.DEBUG: "DEBUG",
}
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# C0 and C1 controls, and the separators that some terminals and viewers take for line ends.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LEAST_SECRET = 6


class Redactor:
    """The last line of defence: replaces known secret values wherever they turn up in a log."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know these values too; texts shorter than six characters hide too much and are left."""
        self._secrets.update(secret for secret in secrets if len(secret) >= _LEAST_SECRET)
        longest_first = sorted(self._secrets, key=lambda secret: (-len(secret), secret))
        joined = "|".join(re.escape(secret) for secret in longest_first)
        self._pattern = re.compile(joined) if joined else None

    def hide(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub("[redacted]", text) if self._pattern else text

    def hide_in(self, value: object) -> object:
        """A copy of a field's value, as JSON can express it, without the secrets."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if is_tree(value):
            return {self.hide(key): self.hide_in(item) for key, item in value.items()}
        if is_list(value):
            return [self.hide_in(member) for member in value]
        return self.hide(str(value))


def secrets_in(config: object, environ: Mapping[str, str]) -> Iterable[str]:
    """The values of a configuration and an environment that no log may show."""
    yield from (value for name, value in environ.items() if is_secret_key(name))
    yield from _secrets_below(config, secret=False)


def _secrets_below(value: object, *, secret: bool) -> Iterable[str]:
    if is_tree(value):
        for key, item in value.items():
            hidden = secret or key == "headers" or is_secret_key(key)
            yield from _secrets_below(item, secret=hidden)
    elif is_list(value):
        for item in value:
            yield from _secrets_below(item, secret=secret)
    elif secret and isinstance(value, str):
        yield value


def subsystem_of(logger_name: str) -> str:
    """The name that a log line carries: without our package, plugins by their id."""
    name = logger_name.removeprefix("openclaw.")
    return name.removeprefix("plugin.")


def escaped(text: str) -> str:
    """The text on one line: control characters become escapes, so that none can forge a line."""
    return _CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], text)


class JsonLineFormatter(logging.Formatter):
    """One event, one line of JSON."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"0": self._redactor.hide(record.getMessage())}
        fields = dict(_fields(record))
        if record.exc_text:
            fields["error"] = record.exc_text
        if fields:
            line["1"] = self._redactor.hide_in(fields)
        moment = datetime.fromtimestamp(record.created).astimezone().isoformat("T", "milliseconds")
        name = json.dumps({"subsystem": subsystem_of(record.name)})
        line["_meta"] = {"date": moment, "logLevelName": _level_name(record), "name": name}
        line["time"] = moment
        return json.dumps(line, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """`12:30:01 [subsystem] text key=value`, the level only when it is not info."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{_level_name(record).lower()}: "
        fields = "".join(f" {key}={_shown(value)}" for key, value in _fields(record))
        text = f"{moment} [{subsystem_of(record.name)}] {level}{record.getMessage()}{fields}"
        line = escaped(self._redactor.hide(text))
        if record.exc_text:
            trace = self._redactor.hide(record.exc_text).splitlines()
            line += "".join(f"\n    {escaped(part)}" for part in trace)
        return line


def _fields(record: logging.LogRecord) -> Iterable[tuple[str, object]]:
    attributes: Mapping[str, object] = vars(record)
    return ((key, value) for key, value in attributes.items() if key not in _OWN_ATTRIBUTES)


def _level_name(record: logging.LogRecord) -> str:
    return _LEVEL_NAMES.get(record.levelno, record.levelname)


def _shown(value: object) -> str:
    text = str(value)
    plain = text and not re.search(r"[\s=\"]", text)
    return text if plain else json.dumps(text, ensure_ascii=False)
