"""One thing that is wrong with the configuration, said so that its owner can put it right."""

import json
from dataclasses import dataclass, field
from typing import Literal

from openclaw.config.redact import is_secret_path, is_secret_value
from openclaw.config.tree import ROOT, parse_path

_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """A problem at one place of the configuration."""

    path: str
    """Where, as users write it (`gateway.port`), `<root>` for the whole file, or a variable."""
    message: str
    """What is wrong, without the value and without the path."""
    value: object | None = field(default=None, repr=False)
    """What stands there, None when that does not help. Rendered only when it is no secret."""
    allowed: tuple[str, ...] = ()
    """The values that may stand there, when they can be listed."""
    remedy: str | None = None
    """What to do about it."""
    severity: Literal["error", "warning"] = "error"
    """An error stops who needs the value; a warning is only said."""

    def detail(self) -> str:
        """All but the path, e.g. `expected integer, received string "x"`."""
        text = self.message + self._shown_value()
        if self.allowed:
            text += f" (allowed: {', '.join(json.dumps(each) for each in self.allowed)})"
        return f"{text}; {self.remedy}" if self.remedy else text

    def render(self) -> str:
        """One line: path, message, the value unless it is secret, allowed values, remedy."""
        return f"{self.path}: {self.detail()}"

    def _shown_value(self) -> str:
        if self.value is None or is_secret_value(self.value):
            return ""
        try:
            parts = parse_path(self.path)
        except ValueError:
            parts = (self.path,)
        # An object may hold anything, a mistyped secret included; its shape is in the message.
        if is_secret_path(parts) or not isinstance(self.value, str | int | float):
            return ""
        text = json.dumps(self.value, ensure_ascii=False)
        return f" {text}" if len(text) <= _LONGEST_VALUE else f" {text[:_LONGEST_VALUE]}..."


def at_root(message: str, remedy: str | None = None) -> ConfigProblem:
    """A problem of the file as a whole."""
    return ConfigProblem(ROOT, message, remedy=remedy)
