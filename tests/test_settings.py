"""Settings: every key explained, every mistake named with file, line and expectation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from edge import settings
from edge.settings import Scanner, Settings, SettingsError, Source
from edge.units import SIZE_UNITS, TIME_UNITS, Bytes, Seconds

# Words by which a sentence tells the unit or range of a bare number.
TELLS_UNIT = re.compile(
    r"pixel|gray level|port|share|threads|process|associations|messages|frames|objects|score|n-th|larger|"
    r"spread|deviation",
    re.IGNORECASE,
)


REPEATED: dict[str, type[BaseModel]] = {"source": Source, "scanner": Scanner}


def every_key() -> Iterator[tuple[str, str, Any]]:
    for section, field in Settings.model_fields.items():
        model = REPEATED.get(section, field.annotation)
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        for key, item in model.model_fields.items():
            yield section, key, item


KEYS = [pytest.param(section, item, id=f"{section}.{key}") for section, key, item in every_key()]


@pytest.mark.parametrize(("section", "item"), KEYS)
def test_key_has_default_and_sentence(section: str, item: Any) -> None:
    assert not item.is_required(), f"a key of {section} without a default"
    assert item.description
    assert item.description.endswith(".")


@pytest.mark.parametrize(("section", "item"), KEYS)
def test_number_has_a_unit(section: str, item: Any) -> None:
    """A number is written with its unit, or its sentence says what it counts."""
    if type(item.default) in (int, float):
        assert TELLS_UNIT.search(item.description), (section, item.description)
    if isinstance(item.default, str) and item.annotation in (float, int):
        assert item.default.split()[-1] in {*TIME_UNITS, *SIZE_UNITS}


def test_annotated_default_is_the_default() -> None:
    assert settings.parse(settings.annotated_default()) == Settings()


def test_annotated_default_shows_every_key_below_its_sentence() -> None:
    lines = settings.annotated_default().splitlines()
    for _, key, item in every_key():
        shown = [i for i, line in enumerate(lines) if re.match(rf"(# )?{key} = ", line)]
        assert any(lines[i - 1] == f"# {item.description}" for i in shown), key


def uncommented(section: str) -> str:
    text = settings.annotated_default()
    table = text[text.index(f"# [[{section}]]") :].split("\n\n")[0]
    return re.sub(rf"^# (?=\[\[{section}|[a-z_]+ = (?!\(unset))", "", table, flags=re.MULTILINE)


def test_annotated_tables_work_once_uncommented() -> None:
    assert settings.parse(uncommented("source")).source == (Source(),)
    with pytest.raises(SettingsError):  # which scanner, and what of its images, somebody has to say
        settings.parse(uncommented("scanner"))


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("[broker]\nhost = 'b'\nprot = 1\n", 3, "broker.prot: no such key; expected one of: ca, certificate"),
        ("\n[borker]\nport = 1\n", 2, "borker: no such key; expected one of: anonymize, box"),
        ("[broker]\n\nkeepalive = 20\n", 3, "broker.keepalive: expected a duration with its unit"),
        ("[broker]\nkeepalive = '20 sec'\n", 2, "broker.keepalive: expected a duration with its unit"),
        ("[broker]\nkeepalive = '20 MiB'\n", 2, "broker.keepalive: expected a duration with its unit"),
        ("[spool]\nmax_bytes = '4 GB'\n", 2, "spool.max_bytes: expected a size with its unit"),
        ("[spool]\nmax_bytes = '0.3 B'\n", 2, "spool.max_bytes: expected"),
        ("[broker]\nport = '8883'\n", 2, "broker.port: expected integer"),
        ("[broker]\nport = true\n", 2, "broker.port: expected integer"),
        ("[broker]\nport = 70000\n", 2, "broker.port: expected less than or equal to 65535"),
        ("broker.host = 'b'\nbroker.port = 0\n", 2, "broker.port: expected greater than or equal to 1"),
        ("broker = { port = 0 }\n", 1, "broker.port: expected greater than or equal to 1"),
        ("broker = 5\n", 1, "broker: expected"),
        ("[dicom]\nenabled = 'no'\n", 2, "dicom.enabled: expected boolean"),
        ("[dicom]\nallowed_ae = 'SCANNER'\n", 2, "dicom.allowed_ae: expected an array"),
        ("[quality]\nmin_mean = nan\n", 2, "quality.min_mean: expected a finite number"),
        ("[model]\nclassifier = 'gpu'\n", 2, "expected 'onnxruntime-cpu' or 'tensorrt'"),
        ("[box]\nsite = 'My Clinic'\n", 2, "box.site: expected text that should match pattern"),
        ("[broker\nport = 1\n", 1, "not TOML"),
        ("[box]\nsite = 'a'\nsite = 'b'\n", 3, "not TOML"),
        (
            "[[source]]\nname='a'\n[[source]]\nname='b'\nrate = 0.0\n",
            5,
            "source.rate: expected greater than 0",
        ),
        (
            "[[source]]\nname='a'\n[[source]]\nnam='b'\n",
            4,
            "source.nam: no such key; expected one of: body_part",
        ),
        ("[[source]]\nkeep=[0.5, 0.0, 0.2, 1.0]\n", 1, "expected keep as [left, top, right, bottom]"),
        ("[[source]]\nname='a'\n[[source]]\nname='a'\n", 1, "a name of its own for each source"),
        ("[[source]]\nname='scanner'\n", 1, "scanner, series and events are taken"),
    ],
)
def test_mistake_is_named_with_file_line_and_expectation(text: str, line: int, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.parse(text, "box.toml")
    message = str(caught.value)
    assert message.startswith(f"box.toml:{line}: "), message
    assert expected in message


def test_every_mistake_is_reported_in_order() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.parse("[log]\nlevel = 'loud'\n[broker]\nport = 0\nhots = 'x'\n", "f")
    assert [line.split(" ")[0] for line in str(caught.value).splitlines()] == ["f:2:", "f:4:", "f:5:"]


def test_file_that_cannot_be_read_says_how_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(SettingsError, match=r"none\.toml: .*edge settings >"):
        settings.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        settings.load(path)


def test_missing_path_names_line_and_what_it_is_for(tmp_path: Path) -> None:
    here = tmp_path / "present"
    here.touch()
    text = f"[broker]\nca = '{here}'\nkey = '{tmp_path}/absent.key'\n"
    missing = settings.missing_paths(settings.parse(text), text, "f")
    assert not any("broker.ca" in line for line in missing)
    (line,) = [line for line in missing if "broker.key" in line]
    assert line == f"f:3: broker.key: {tmp_path}/absent.key does not exist; expected the box's client key"


def test_settings_cannot_be_changed_once_read() -> None:
    with pytest.raises(ValidationError):
        Settings().broker.port = 1  # type: ignore[misc]


amounts = st.one_of(st.integers(0, 10**12), st.decimals(0, 10**6, places=3, allow_nan=False)).map(str)


@given(amount=amounts, unit=st.sampled_from(sorted(TIME_UNITS)), gap=st.sampled_from(["", " ", "  "]))
def test_duration_is_amount_times_unit(amount: str, unit: str, gap: str) -> None:
    parsed = TypeAdapter(Seconds).validate_python(f"{amount}{gap}{unit}")
    assert parsed == pytest.approx(float(amount) * TIME_UNITS[unit])


@given(amount=st.integers(0, 10**9), unit=st.sampled_from(sorted(SIZE_UNITS)))
def test_size_is_amount_times_unit(amount: int, unit: str) -> None:
    assert TypeAdapter(Bytes).validate_python(f"{amount} {unit}") == amount * int(SIZE_UNITS[unit])


def is_duration(text: str) -> bool:
    match = re.fullmatch(r"\s*[0-9]{1,15}(\.[0-9]{1,15})?\s*(us|ms|s|min|h|d)\s*", text)
    return match is not None


@given(
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.from_regex(r"\A-?[0-9]+[a-zA-Z]*\Z"))
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    if isinstance(value, str) and is_duration(value):
        return
    with pytest.raises(ValidationError, match="expected a duration with its unit"):
        TypeAdapter(Seconds).validate_python(value)


@given(st.text())
def test_any_text_is_settings_or_a_settings_error(text: str) -> None:
    try:
        settings.parse(text)
        said = []
    except SettingsError as error:
        said = str(error).splitlines()
    assert all(re.match(r"edge\.toml:\d+: ", line) for line in said)
