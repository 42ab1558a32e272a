"""Pin every dependency: write constraints.txt and constraints-dev.txt.

    python scripts/lock.py             newest versions that fit
    python scripts/lock.py --keep      keep what is pinned, add what is missing

One resolution holds for every Python from 3.11 on and every platform, with environment markers
where they differ. Each pin carries the hashes of its files and nothing that names a host: the same
files install from any index. The runtime set is a subset of the development set, so `make demo` and
`make test` never disagree about a version.

The resolver, uv, is installed into a temporary environment; setting up a checkout does not need it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = ROOT / "pyproject.toml"
PLUGIN = ROOT / "extensions" / "voice-call" / "pyproject.toml"
RUNTIME_PINS = ROOT / "constraints.txt"
DEVELOPMENT_PINS = ROOT / "constraints-dev.txt"

OLDEST_PYTHON = "3.11"
FIRST_PARTY = frozenset({"openclaw-gateway", "openclaw-voice-call"})

RUNTIME_HEADING = (
    "# Made by `make lock`: all that the two packages need to run, and what builds them."
)
DEVELOPMENT_HEADING = (
    "# Made by `make lock`: constraints.txt and what tests, linting and benchmarks need."
)


def requirements(groups: tuple[str, ...], extras: tuple[str, ...]) -> Iterator[str]:
    """Yield what both distributions declare, except each other."""
    for source in (HOST, PLUGIN):
        declared = tomllib.loads(source.read_text(encoding="utf-8"))
        project = declared["project"]
        wanted = list(project["dependencies"])
        for extra in extras:
            wanted += project.get("optional-dependencies", {}).get(extra, [])
        for group in groups:
            wanted += declared.get("dependency-groups", {}).get(group, [])
        for requirement in wanted:
            name = re.match(r"[A-Za-z0-9._-]+", requirement)
            if name is None:
                raise SystemExit(f"{source}: cannot read the requirement {requirement!r}")
            if name[0] not in FIRST_PARTY:
                yield requirement


def install_resolver(folder: Path) -> Path:
    """Install uv into a new virtual environment in `folder` and return its path."""
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
    return programs / "uv"


def resolve(uv: Path, wanted: list[str], pins: Path, *, within: Path | None = None) -> None:
    """Update the file `pins` so that it satisfies `wanted`, at the versions of `within` if any."""
    command: list[str | Path] = [uv, "pip", "compile", "-", "--output-file", pins, "--quiet"]
    command += ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    if within is not None:
        command += ["--constraints", within]
    subprocess.run(command, check=True, cwd=ROOT, text=True, input="\n".join(wanted))


def publish(pins: Path, heading: str, target: Path) -> None:
    """Write `target`; refuse pins that name a host or folder and would not hold elsewhere."""
    text = pins.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if "://" in line or " @ " in line or line.startswith(("-", "/", ".")):
            raise SystemExit(f"line {number} of the new {target.name} is not a plain pin: {line}")
    target.write_text(f"{heading}\n{text}", encoding="utf-8")
    print(f"{target.name}: {text.count('==')} pins", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description="pin every dependency with hashes")
    parser.add_argument("--keep", action="store_true", help="keep the versions that are pinned")
    keep = parser.parse_args().keep

    with tempfile.TemporaryDirectory(prefix="lock-") as scratch:
        folder = Path(scratch)
        uv = install_resolver(folder / "uv")
        development, runtime = folder / "development.txt", folder / "runtime.txt"
        if keep:
            development.write_text(DEVELOPMENT_PINS.read_text(encoding="utf-8"), encoding="utf-8")
        resolve(uv, list(requirements(("build", "dev"), ("fast",))), development)
        resolve(uv, list(requirements(("build",), ())), runtime, within=development)
        publish(development, DEVELOPMENT_HEADING, DEVELOPMENT_PINS)
        publish(runtime, RUNTIME_HEADING, RUNTIME_PINS)


if __name__ == "__main__":
    main()
