"""The layout check finds each thing that it is there to find; the control is a clean repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKER = Path(__file__).parents[2] / "scripts" / "house" / "check_layout.py"
FOLDERS = [".ci/run", "edge/a.py", "firmware_config/a.conf", "scripts/a", "tests/a.py", "trainer/a.py"]
FILES = [".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "pyproject.toml"]
# Split, so that this file does not say what it forbids.
HOST = "py" + "pi.org"
FARM = "/wo" + "rk"


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name in FOLDERS + FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(
            "a sentence about rootfs, metadata/root.json and work/ folders: https://example.org/x\n"
        )
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


def check(root: Path) -> tuple[int, str]:
    subprocess.run(["git", "-C", str(root), "add", "--all"], check=True)
    done = subprocess.run(
        [sys.executable, str(CHECKER), str(root)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_clean_repository_passes(clean: Path) -> None:
    assert check(clean) == (0, "layout: 12 tracked files, all in place\n")


@pytest.mark.parametrize(
    "line",
    [
        f"see https://{HOST}/simple",
        "from files." + "pythonhost" + "ed.org",
        "pip install --index" + "-url=https://example.org/simple x",
        "export PIP_EXTRA_INDEX" + "_URL=x",
        "pip install --find" + "-links wheels x",
        f"cd {FARM}/main",
        f'path = "{FARM}"',
        "cat /ro" + "ot/.ssh/id",
        "open('/ho" + "me/anna/data.csv')",
    ],
)
def test_forbidden_words_are_found(clean: Path, line: str) -> None:
    (clean / "docs").mkdir()
    (clean / "docs" / "install.md").write_text(f"first line\n{line}\n")
    code, said = check(clean)
    assert code == 1
    assert said.startswith("layout: docs/install.md:2: names a ")


@pytest.mark.parametrize("name", ["requirements/a.txt", "notes.txt", "setup.py"])
def test_new_top_level_entry_is_found(clean: Path, name: str) -> None:
    (clean / name).parent.mkdir(exist_ok=True)
    (clean / name).write_text("x\n")
    assert "does not belong at the top" in check(clean)[1]


def test_missing_entry_is_found(clean: Path) -> None:
    (clean / "LICENSE").unlink()
    assert check(clean) == (1, "layout: LICENSE: missing\n")


def test_large_file_is_found_unless_it_is_the_model(clean: Path) -> None:
    for name in ["firmware_config/model/targets/model.fp32.onnx", "edge/big.bin"]:
        (clean / name).parent.mkdir(parents=True, exist_ok=True)
        (clean / name).write_bytes(b"\0" * 1_000_001)
    code, said = check(clean)
    assert code == 1
    assert said == "layout: edge/big.bin: larger than 1 MB and not on the list in check_layout.py\n"


def test_picture_is_found_outside_docs(clean: Path) -> None:
    for name in ["docs/path.png", "tests/data/patient.dcm"]:
        (clean / name).parent.mkdir(parents=True, exist_ok=True)
        (clean / name).write_bytes(b"\0")
    assert check(clean) == (
        1,
        "layout: tests/data/patient.dcm: a picture or recording; tests draw their own\n",
    )


def test_untracked_files_are_nobodys_business(clean: Path) -> None:
    check(clean)
    (clean / "scratch.txt").write_text(FARM)
    done = subprocess.run([sys.executable, str(CHECKER), str(clean)], capture_output=True, check=False)
    assert done.returncode == 0
