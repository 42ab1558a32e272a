"""`python -m openclaw_voice_call.config.docs [--check]`: the manifest and the reference page.

Writes both from the model, in the source tree that this file is in. With `--check` it writes
nothing, names the stale ones and exits with 1.
"""

import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from openclaw_voice_call.config.manifest import manifest
from openclaw_voice_call.config.reference import reference

PACKAGE = Path(__file__).resolve().parents[1]
DISTRIBUTION_FOLDER = PACKAGE.parents[1]
ROOT = DISTRIBUTION_FOLDER.parents[1]
EXAMPLE = ROOT / "examples" / "twilio-conversation.json5"


def generated() -> Mapping[Path, str]:
    """Each generated file with its content. Raises OSError outside of a source tree."""
    project = tomllib.loads((DISTRIBUTION_FOLDER / "pyproject.toml").read_text())["project"]
    manifest_text = json.dumps(
        manifest(project["version"], project["description"]), indent=2, ensure_ascii=False
    )
    return {
        PACKAGE / "openclaw.plugin.json": manifest_text + "\n",
        ROOT / "docs" / "configuration.md": reference(EXAMPLE.read_text(encoding="utf-8")),
    }


def stale() -> list[Path]:
    """The files that differ from what would be generated."""
    return [path for path, text in generated().items() if not _holds(path, text)]


def main(arguments: Sequence[str]) -> int:
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m openclaw_voice_call.config.docs [--check]", file=sys.stderr)  # noqa: T201
        return 2
    if arguments:
        for path in (found := stale()):
            print(f"{path.relative_to(ROOT)} is stale; run `make docs`", file=sys.stderr)  # noqa: T201
        return 1 if found else 0
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
    return 0


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
