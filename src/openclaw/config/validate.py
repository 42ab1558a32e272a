"""From raw values to typed ones; every problem is found at once, in users' terms. Pure."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from openclaw.config.model_base import Section
from openclaw.config.problem import ConfigProblem
from openclaw.config.tree import Part, Tree, format_path, is_list, is_tree

_NAMES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
}
_EXPECTED = {
    "bool_type": "boolean",
    "int_type": "integer",
    "float_type": "number",
    "string_type": "string",
    "model_type": "object",
    "model_attributes_type": "object",
    "dict_type": "object",
    "mapping_type": "object",
    "tuple_type": "array",
    "list_type": "array",
}
_BOUNDS = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
}
_QUOTED = re.compile(r"'([^']*)'")

M = TypeVar("M", bound=Section)


def validate(
    model: type[M], raw: Tree, base: tuple[Part, ...] = ()
) -> tuple[M | None, tuple[ConfigProblem, ...]]:
    """The typed section, or None with at least one error; warnings may come with either.

    `base` is where `raw` stands in the file.
    """
    problems = list(unknown_keys(model, raw, base))
    config: M | None = None
    try:
        config = model.model_validate(raw)
    except ValidationError as error:
        problems += describe(error, base)
    failed = any(problem.severity == "error" for problem in problems)
    return None if failed else config, tuple(problems)


def describe(error: ValidationError, base: tuple[Part, ...] = ()) -> Iterator[ConfigProblem]:
    """The problems that pydantic found, one per place."""
    for detail in error.errors(include_url=False):
        parts = (*base, *detail["loc"])
        yield _problem(detail, parts)


def _problem(detail: ErrorDetails, parts: tuple[Part, ...]) -> ConfigProblem:
    """As `finding`, in the words that scripts for the original look for."""
    found = finding(detail, format_path(parts), bound=str)
    if detail["type"] == "missing":
        return replace(found, message="Required")
    if detail["type"] in (*_BOUNDS, "string_too_short"):
        return found
    return replace(found, message=f"Invalid input: {found.message}")


def _whole(bound: object) -> str:
    return str(int(bound) if isinstance(bound, float) and bound.is_integer() else bound)


def finding(
    detail: ErrorDetails, path: str, *, bound: Callable[[object], str] = _whole
) -> ConfigProblem:
    """One of pydantic's findings in users' terms. Its own texts and inputs are not used.

    `path` is the place as users write it; `bound` writes a limit that was not kept.
    """
    kind, value = detail["type"], detail["input"]
    context: Mapping[str, object] = detail.get("ctx", {})
    shown: object | None = value if isinstance(value, str | int | float) else None
    if kind in _EXPECTED:
        expected, received = _EXPECTED[kind], kind_of(value)
        # Text in the place of a block may be a secret that was put one level too high.
        if expected in ("object", "array"):
            shown = None
        quotes = expected == "string" and received in ("integer", "number")
        return ConfigProblem(
            path,
            f"expected {expected}, received {received}",
            shown,
            remedy="write it in quotes" if quotes else None,
        )
    if kind in ("literal_error", "enum"):
        allowed = tuple(_QUOTED.findall(str(context.get("expected", ""))))
        return ConfigProblem(path, "not one of the allowed values:", shown, allowed)
    if kind in _BOUNDS:
        sign, key = _BOUNDS[kind]
        return ConfigProblem(path, f"must be {sign} {bound(context.get(key))}, received", shown)
    if kind == "string_pattern_mismatch":
        text = f'must match pattern "{context.get("pattern")}", received'
        return ConfigProblem(path, text, shown)
    if kind == "string_too_short":
        return ConfigProblem(path, "must not be empty")
    if kind == "missing":
        return ConfigProblem(path, "is required")
    if kind == "value_error":
        return ConfigProblem(path, f"{context.get('error')}, received", shown)
    return ConfigProblem(path, kind.replace("_", " "), shown)


def kind_of(value: object) -> str:
    """The type of a value in JSON's terms."""
    if is_tree(value):
        return "object"
    if is_list(value):
        return "array"
    return _NAMES.get(type(value), "string")


def unknown_keys(
    model: type[BaseModel], raw: Tree, base: tuple[Part, ...] = ()
) -> Iterator[ConfigProblem]:
    """Keys that a section does not know: errors in closed ones, likely slips in shared ones."""
    known = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    closed = not issubclass(model, Section) or model.closed
    for key, value in raw.items():
        if key in known:
            for below, tree, parts in _sections(known[key], value, (*base, key)):
                yield from unknown_keys(below, tree, parts)
            continue
        near = nearest(key, known)
        # Other hosts have keys that resemble ours (dmScope, scope); a slip keeps the length.
        if closed or (near and abs(len(near) - len(key)) <= 1):
            yield ConfigProblem(
                format_path((*base, key)),
                f'Unrecognized key: "{key}"',
                remedy=f'did you mean "{near}"?' if near else None,
                severity="error" if closed else "warning",
            )


def nearest(key: str, known: Iterable[str]) -> str | None:
    """The known key that looks most like this one, None when none does."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(key.lower(), names, n=1, cutoff=0.75)
    return names[near[0]] if near else None


def _sections(
    annotation: object, value: object, parts: tuple[Part, ...]
) -> Iterator[tuple[type[BaseModel], Tree, tuple[Part, ...]]]:
    """The sections inside a value of this declared type, each with what stands there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if is_tree(value):
            yield annotation, value, parts
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is tuple and is_list(value):
        for index, item in enumerate(value):
            yield from _sections(arguments[0], item, (*parts, index))
    elif origin is Annotated:
        yield from _sections(arguments[0], value, parts)
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from _sections(argument, value, parts)
    elif origin is Mapping and is_tree(value):
        for key, item in value.items():
            yield from _sections(arguments[1], item, (*parts, key))
