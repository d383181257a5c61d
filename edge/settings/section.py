"""What all sections share: types of values, and that nothing unknown is let through."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Box4 = tuple[float, float, float, float]
# TOML has types of its own: true is no number and "8883" is no port.
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, protected_namespaces=(), allow_inf_nan=False
    )


def check_keep(keep: Box4) -> None:
    """Refuse a keep-region that is none.

    Raises:
        ValueError: with what was expected.
    """
    left, top, right, bottom = keep
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(
            "expected keep as [left, top, right, bottom], each 0 to 1, left < right, top < bottom"
        )
