"""From the raw section to a typed one; every problem is found at once. Pure."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeGuard, get_args

from pydantic import BaseModel, ValidationError

from openclaw.sdk import ConfigProblem, finding
from openclaw_voice_call.config.base import BASE_PATH, Section, unresolved_reference
from openclaw_voice_call.config.fallbacks import FALLBACKS
from openclaw_voice_call.config.model import VoiceCallConfig

Path: TypeAlias = tuple[str | int, ...]

LATER_KEYS: Final[Mapping[Path, tuple[str, ...]]] = {
    (): ("agents", "numbers", "realtime"),
}
"""Keys of newer versions of the original that are not here yet, by section. They are said and
ignored, so that a file can be shared."""

_FREE_TEXT = frozenset({"inboundGreeting", "responseSystemPrompt", "says", "hangUpWhenHearing"})


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """What came of the raw section."""

    config: VoiceCallConfig | None
    """None when there is a problem."""
    problems: tuple[ConfigProblem, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is ignored, one line each."""


def parse_config(raw: Mapping[str, object], environ: Mapping[str, str]) -> ParsedConfig:
    """Check and type the section.

    `raw` is the section after the host's substitution. A `${NAME}` that is still in it stands for
    a variable that is not set, unless `environ` has it: then the text was escaped and means itself.
    """
    known, ignored = _without_later_keys(raw)
    warnings = tuple(f"{written(path)}: not supported yet, ignored" for path in ignored)
    problems = {problem.path: problem for problem in _unresolved(known, environ)}
    try:
        config = VoiceCallConfig.model_validate(known, by_alias=True, by_name=False)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path = detail["loc"]
            unknown = detail["type"] == "extra_forbidden"
            problem = _unknown_key(path) if unknown else finding(detail, written(path))
            problems.setdefault(problem.path, problem)
    else:
        if not problems and (clash := _clash(config)):
            problems[clash.path] = clash
        if not problems:
            return ParsedConfig(config, warnings=warnings)
    return ParsedConfig(None, tuple(problems.values()), warnings)


def written(path: Sequence[str | int]) -> str:
    """A place of the section as users write it, from the root of the file."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return BASE_PATH + "".join(parts)


def _without_later_keys(raw: Mapping[str, object]) -> tuple[dict[str, object], list[Path]]:
    known = dict(raw)
    ignored: list[Path] = []
    for section, keys in LATER_KEYS.items():
        holder: object = known
        if section:
            holder = known.get(str(section[0]))
            if not _is_object(holder):
                continue
            holder = known[str(section[0])] = dict(holder)
        assert isinstance(holder, dict)
        for key in keys:
            if key in holder:
                del holder[key]
                ignored.append((*section, key))
    return known, ignored


def _unresolved(raw: Mapping[str, object], environ: Mapping[str, str]) -> Iterator[ConfigProblem]:
    """Settings that name a variable which is not set. Credentials are judged where they are used,
    and speech that nobody uses may name what it likes."""
    for path, text in _texts(raw):
        name = unresolved_reference(text)
        free = path[0] == "tts" or not _FREE_TEXT.isdisjoint(path)
        if name is None or environ.get(name) or free or ".".join(map(str, path)) in FALLBACKS:
            continue
        yield ConfigProblem(
            written(path),
            f"the variable {name} is not set",
            remedy=f"set {name} in the gateway's environment, or write the value here",
        )


def _texts(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif _is_object(value):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif _is_array(value):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _unknown_key(path: Path) -> ConfigProblem:
    key = str(path[-1])
    siblings = {_folded(name): name for name in _keys_at(path[:-1])}
    near = difflib.get_close_matches(_folded(key), siblings, n=1, cutoff=0.7)
    remedy = f'did you mean "{siblings[near[0]]}"?' if near else None
    return ConfigProblem(written(path), f'unknown key "{key}"', remedy=remedy)


def _folded(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _keys_at(path: Path) -> Sequence[str]:
    """The keys of the section at this path."""
    model: type[BaseModel] = VoiceCallConfig
    for part in path:
        if isinstance(part, int):
            continue
        below = next(
            field.annotation
            for name, field in model.model_fields.items()
            if part == (field.alias or name)
        )
        model = next(section for section in sections_in(below))
    return [field.alias or name for name, field in model.model_fields.items()]


def sections_in(annotation: object) -> Iterator[type[Section]]:
    """The sections that a field of this type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_in(argument)


def _clash(config: VoiceCallConfig) -> ConfigProblem | None:
    """Settings that are right each, and not together."""
    if config.serve.path == config.streaming.stream_path:
        text = "must differ from serve.path: one server serves both, received"
        return ConfigProblem(
            written(("streaming", "streamPath")), text, config.streaming.stream_path
        )
    return None


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _is_array(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)
