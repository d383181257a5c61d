"""The licence check refuses what it must: shown on made-up distributions in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKER = Path(__file__).parents[2] / "scripts" / "house" / "check_licences.py"
RULES = """
allowed = ["Apache-2.0", "BSD-3-Clause", "MIT"]
[reviewed.weak-copyleft]
licence = "LGPL-2.1-or-later"
why = "dynamically loaded"
[reviewed."family-*"]
licence = "Custom"
why = "read it"
[reviewed.strong-copyleft-reviewed]
licence = "GPL-3.0"
why = "somebody tried"
[carries.with-runtime]
why = "runtime library exception"
"""
GPL_TEXT = "GNU GENERAL PUBLIC LICENSE\n                       Version 3, 29 June 2007\n"


def install(folder: Path, name: str, *headers: str, licence_text: str = "") -> None:
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *headers, ""])
    )
    record = [f"{info.name}/METADATA,,"]
    if licence_text:
        (info / "LICENSE.txt").write_text(licence_text)
        record.append(f"{info.name}/LICENSE.txt,,")
    (info / "RECORD").write_text("\n".join(record))


def check(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the checker so that it sees the folder's distributions and no others."""
    folder.mkdir(exist_ok=True)
    rules = folder / "rules.toml"
    rules.write_text(RULES)
    # -S leaves site-packages out; tomli, which Python 3.10 needs, is brought in after the look around.
    site = [path for path in sys.path if path.endswith("site-packages")]
    start = (
        f"import sys; sys.path += {site!r}\n"
        "try: import tomllib\n"
        "except ImportError: import tomli\n"
        f"sys.path[:] = [p for p in sys.path if p not in {site!r}] + [{str(folder)!r}]\n"
        f"import runpy; sys.argv[0] = {str(CHECKER)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", start, "--rules", str(rules), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "header",
    [
        "License-Expression: MIT",
        "License-Expression: GPL-3.0-only OR MIT",
        "License-Expression: (GPL-2.0-only OR BSD-3-Clause) AND Apache-2.0",
        "Classifier: License :: OSI Approved :: MIT License",
        "License: Apache 2.0",
    ],
)
def test_permissive_is_accepted(tmp_path: Path, header: str) -> None:
    install(tmp_path / "site", "good", header)
    assert check(tmp_path / "site") == (0, "licences: 1 distributions, none under the GPL\n")


@pytest.mark.parametrize(
    "headers",
    [
        ["License-Expression: GPL-3.0-or-later"],
        ["License-Expression: AGPL-3.0-only"],
        ["License-Expression: MIT AND GPL-2.0-only"],
        ["License-Expression: MIT OR Apache-2.0 AND GPL-2.0-only AND"],
        ["License: GPLv3"],
        ["License: GNU General Public License v2"],
        ["Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"],
        ["Classifier: License :: OSI Approved :: GNU Affero General Public License v3"],
        ["Classifier: License :: OSI Approved :: MIT License", "License: GPL-2"],
    ],
)
def test_gpl_is_refused(tmp_path: Path, headers: list[str]) -> None:
    install(tmp_path / "site", "viral", *headers)
    code, said = check(tmp_path / "site")
    assert code == 1
    assert "licence: viral: refused: " in said


def test_review_does_not_excuse_the_gpl(tmp_path: Path) -> None:
    install(tmp_path / "site", "strong-copyleft-reviewed", "License-Expression: GPL-3.0-only")
    assert check(tmp_path / "site")[0] == 1


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["License: see the file"],
        ["License-Expression: LGPL-3.0-only"],
        ["License-Expression: LicenseRef-Proprietary"],
        ["Classifier: License :: Other/Proprietary License"],
        ["License-Expression: MIT AND"],
        ["License-Expression: (MIT"],
    ],
)
def test_unknown_and_lesser_licences_need_a_reason(tmp_path: Path, headers: list[str]) -> None:
    install(tmp_path / "site", "odd", *headers)
    code, said = check(tmp_path / "site")
    assert code == 1
    assert "licence: odd: licence " in said


def test_reviewed_packages_pass(tmp_path: Path) -> None:
    install(tmp_path / "site", "Weak_Copyleft", "License-Expression: LGPL-2.1-or-later")
    install(tmp_path / "site", "family-one")
    assert check(tmp_path / "site")[0] == 0


def test_gpl_text_in_a_wheel_needs_a_reason(tmp_path: Path) -> None:
    install(tmp_path / "site", "with-runtime", "License-Expression: MIT", licence_text=GPL_TEXT)
    assert check(tmp_path / "site")[0] == 0
    install(tmp_path / "site", "smuggler", "License-Expression: MIT", licence_text="MIT\n\n" + GPL_TEXT)
    code, said = check(tmp_path / "site")
    assert code == 1
    assert "smuggler: carries the text of the GPL (smuggler-1.0.dist-info/LICENSE.txt)" in said
    assert "with-runtime" not in said


def test_locked_package_that_nobody_judged_is_an_error(tmp_path: Path) -> None:
    install(tmp_path / "site", "present", "License-Expression: MIT")
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "present==1.0 \\\n    --hash=sha256:00\n"
        "absent==2.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:00\n"
        "elsewhere==1 ; sys_platform == 'win32'\nolder==1 ; python_full_version < '3.10'\n"
    )
    code, said = check(tmp_path / "site", "--lock", str(lock), "weak-copyleft")
    assert code == 1
    assert said == "licence: absent: neither installed nor reviewed, so its licence is unknown\n"
