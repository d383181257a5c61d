"""TOML to a typed model and back, with file, line and expectation in every error.

Nothing here knows the settings of the box: the model class is an argument.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Where = tuple[int | str, ...]
"""Names from the outermost table to the key; a number is the place in an array of tables."""

M = TypeVar("M", bound=BaseModel)

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_PATH = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_PATH})\s*\]")
_KEY = re.compile(rf"\s*({_PATH})\s*=")

# pydantic's words for what it wanted, in ours.
_WORDING = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r"^Input should be a valid (tuple|list)"), "expected an array"),
    (re.compile(r"^Input should be (a valid )?"), "expected "),
    (re.compile(r"^String should "), "expected text that should "),
    (re.compile(r"^Tuple should "), "expected an array that should "),
)


def parse(text: str, name: str, model: type[M]) -> tuple[M | None, list[str]]:
    """Check TOML text against a model.

    Returns:
        The model and no errors, or None and one line an error: ``name:line: key: what was expected``.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        number = int(line[1]) if line else len(text.splitlines()) or 1
        return None, [f"{name}:{number}: not TOML: {error}"]
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        found = (
            (line_of(text, e["loc"]), _expected(model, e["loc"], e["type"], e["msg"])) for e in error.errors()
        )
        return None, [f"{name}:{number}: {what}" for number, what in sorted(found)]


def line_of(text: str, where: Where) -> int:
    """Line (from 1) of the innermost table or key of ``where`` that is written; 1 if none is."""
    names = [str(part) for part in where if isinstance(part, str)]
    nth = next((part for part in where if isinstance(part, int)), 0)
    tables, best, depth = -1, 1, 0
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            path = table = _parts(header[2])
            tables += header[1] == "[[" and table == names[:1]
        else:
            key = _KEY.match(line)
            if key is None:
                continue
            path = table + _parts(key[1])
        right_table = tables in (-1, nth) or table != names[:1]
        if right_table and len(path) > depth and path == names[: len(path)]:
            best, depth = number, len(path)
    return best


def annotated_default(model: type[BaseModel]) -> str:
    """Every section of a model as TOML: each key with its default and its sentence.

    A section that may be repeated (a tuple of models) is shown commented out.
    """
    lines: list[str] = []
    for name, field in model.model_fields.items():
        (section,) = _models(field.annotation)
        repeated = section is not field.annotation
        off = "# " if repeated else ""
        lines += [f"# {(section.__doc__ or '').strip()}", f"{off}[[{name}]]" if repeated else f"[{name}]"]
        for key, item in section.model_fields.items():
            lines.append(f"# {item.description}")
            unset = item.default is None
            lines.append(f"# {key} = (unset)" if unset else f"{off}{key} = {_toml(item.default)}")
        lines.append("")
    return "\n".join(lines)


def _parts(path: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_PART, path)]


def _expected(model: type[BaseModel], where: Where, kind: str, message: str) -> str:
    name = ".".join(str(part) for part in where if not isinstance(part, int))
    if kind == "extra_forbidden":
        return f"{name}: no such key; expected one of: {', '.join(_known_keys(model, where))}"
    for pattern, words in _WORDING:
        message, changed = pattern.subn(words, message)
        if changed:
            break
    return f"{name}: {message}" if name else message


def _known_keys(model: type[BaseModel], where: Where) -> list[str]:
    for part in where[:-1]:
        if isinstance(part, str):
            model = next(_models(model.model_fields[part].annotation), model)
    return sorted(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
