"""A home folder to keep configuration files in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from openclaw.config.light import GatewayTarget, find_gateway
from openclaw.config.load import LoadedConfig, inspect_config, load_config
from openclaw.config.problem import ConfigProblem
from openclaw.errors import ConfigError


@dataclass(frozen=True)
class Home:
    """A user's home, working directory and process environment."""

    root: Path
    extra: Mapping[str, str]

    @property
    def state_dir(self) -> Path:
        return self.root / ".openclaw"

    @property
    def cwd(self) -> Path:
        return self.root / "work"

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.root), **self.extra}

    def with_env(self, **variables: str) -> "Home":
        return Home(self.root, {**self.extra, **variables})

    def write(self, text: str, name: str = "openclaw.json") -> Path:
        path = self.state_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, overrides: Mapping[str, object] | None = None) -> LoadedConfig:
        return load_config(self.env, self.cwd, overrides)

    def inspect(self) -> LoadedConfig:
        return inspect_config(self.env, self.cwd)

    def target(self) -> GatewayTarget:
        return find_gateway(self.env, self.cwd)

    def problems(self) -> tuple[ConfigProblem, ...]:
        """The problems that keep this configuration from loading."""
        with pytest.raises(ConfigError) as caught:
            self.load()
        return caught.value.problems

    def lines(self) -> list[str]:
        return [problem.render() for problem in self.problems()]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Home(tmp_path, {})
