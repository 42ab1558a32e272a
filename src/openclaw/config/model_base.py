"""What the typed sections of the configuration have in common."""

from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel

_T = TypeVar("_T")


class Section(BaseModel):
    """A section that is ours: each key is known, an unknown one is an error.

    Values are never converted (`"18789"` is no port). Keys are camelCase in the file. Unknown keys
    are found by `validate.unknown_keys`, which can say what was meant.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )
    closed: ClassVar[bool] = True


class SharedSection(Section):
    """A section that other programs use too: unknown keys are theirs."""

    closed: ClassVar[bool] = False


Items = Annotated[tuple[_T, ...], Strict(False)]
"""An array of the file."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""
PositiveInt = Annotated[int, Field(gt=0)]
NonEmpty = Annotated[str, Field(min_length=1)]
