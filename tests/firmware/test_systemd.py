"""The systemd units: well-formed, exposed no more than promised, and no patient data on the disk.

Scores are those of ``systemd-analyze security`` (0 closed to 10 open). Threat model: a decoder that is
taken over reaches no key; the box's disk holds no core dump and no swapped page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "firmware_config" / "systemd"
UNITS = ["edge.service", "edge-capture.service", "edge-engine.service"]
DROP_INS = [
    ("edge.service", "gpu.conf", 2.0),
    ("edge.service", "switch.conf", 2.0),
    ("edge-engine.service", "gpu.conf", 2.0),
    ("edge-capture.service", "camera.conf", 2.0),
]
needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (apt-get install systemd)"
)


def place(tmp_path: Path, unit: str, drop_in: str | None = None) -> Path:
    """Copy a unit as it would be installed, with a program at the end of ExecStart."""
    program = tmp_path / "edge"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    installed = tmp_path / unit
    installed.write_text((SYSTEMD / unit).read_text().replace("/usr/bin/edge", str(program)))
    if drop_in is not None:
        folder = tmp_path / f"{unit}.d"
        folder.mkdir()
        shutil.copy(SYSTEMD / f"{unit}.d" / drop_in, folder)
    return installed


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def exposure(installed: Path) -> float:
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", installed)
    score = re.search(rf"Overall exposure level for {re.escape(installed.name)}: ([\d.]+)", said)
    assert score, said
    return float(score[1])


def service(unit: str) -> dict[str, list[str]]:
    """Directives of the [Service] section, each with its values in order."""
    found: dict[str, list[str]] = {}
    text = (SYSTEMD / unit).read_text().split("[Service]")[1].split("[Install]")[0]
    for key, value in re.findall(r"^([A-Za-z]+)=(.*)$", text, flags=re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@needs_analyze
@pytest.mark.parametrize("unit", UNITS)
def test_unit_is_well_formed(tmp_path: Path, unit: str) -> None:
    installed = place(tmp_path, unit)
    others = [place(tmp_path, other) for other in UNITS if other != unit]
    about_ours = [
        line for line in run("systemd-analyze", "verify", installed, *others).splitlines() if "edge" in line
    ]
    assert about_ours == []


@needs_analyze
def test_verify_would_have_seen_a_mistake(tmp_path: Path) -> None:
    """The control of the test above."""
    installed = place(tmp_path, "edge.service")
    installed.write_text(installed.read_text().replace("ProtectClock=yes", "ProtectClocks=yes"))
    assert "ProtectClocks" in run("systemd-analyze", "verify", installed)


@needs_analyze
@pytest.mark.parametrize("unit", UNITS)
def test_exposure_is_at_most_one_and_a_half(tmp_path: Path, unit: str) -> None:
    assert exposure(place(tmp_path, unit)) <= 1.5


@needs_analyze
@pytest.mark.parametrize(("unit", "drop_in", "bound"), DROP_INS)
def test_exposure_with_devices(tmp_path: Path, unit: str, drop_in: str, bound: float) -> None:
    closed = exposure(place(tmp_path, unit))
    opened = exposure(place(tmp_path, unit, drop_in))
    assert closed < opened <= bound


@pytest.mark.parametrize("unit", UNITS)
def test_no_memory_reaches_the_disk(unit: str) -> None:
    assert service(unit)["LimitCORE"] == ["0"]
    assert service(unit)["MemorySwapMax"] == ["0"]


def test_capture_sees_no_key_and_calls_nobody() -> None:
    capture, daemon = service("edge-capture.service"), service("edge.service")
    assert capture["User"] != daemon["User"]
    assert "~connect" in capture["SystemCallFilter"]
    hidden = " ".join(capture["InaccessiblePaths"])
    assert "/etc/edge/keys" in hidden
    assert "/var/lib/edge/keys" in hidden
    assert capture["ReadWritePaths"] == ["/var/lib/edge/inbox /var/lib/edge/capture"]


def test_engine_builder_sees_nothing_of_the_box_but_the_cache() -> None:
    engine = service("edge-engine.service")
    assert engine["TemporaryFileSystem"] == ["/var/lib/edge:ro,mode=0755"]
    assert engine["BindPaths"] == ["/var/lib/edge/engines"]
    assert engine["PrivateNetwork"] == ["yes"]


@pytest.mark.parametrize("unit", UNITS)
def test_io_uring_cannot_go_round_the_filter(unit: str) -> None:
    assert any("@aio" in value and value.startswith("~") for value in service(unit)["SystemCallFilter"])


def test_daemon_listens_nowhere_and_capture_on_the_dicom_port_alone() -> None:
    assert service("edge.service")["SocketBindDeny"] == ["any"]
    assert "SocketBindAllow" not in service("edge.service")
    assert service("edge-capture.service")["SocketBindAllow"] == ["tcp:11112"]


def test_wrong_settings_are_not_tried_again() -> None:
    """78 is the exit code of `edge run` for wrong settings (EX_CONFIG)."""
    for unit in ("edge.service", "edge-capture.service"):
        assert service(unit)["RestartPreventExitStatus"] == ["78"]


def test_both_ends_of_the_inbox_are_in_its_group() -> None:
    assert service("edge-capture.service")["Group"] == ["edge-inbox"]
    assert service("edge.service")["SupplementaryGroups"] == ["edge-inbox"]
    rules = [
        line.split() for line in (SYSTEMD / "tmpfiles.conf").read_text().splitlines() if line.startswith("d")
    ]
    modes = {path: (mode, user, group) for _, path, mode, user, group, _ in rules}
    assert modes["/var/lib/edge/inbox"] == ("2770", "edge", "edge-inbox")
    assert modes["/etc/edge/keys"] == modes["/var/lib/edge/keys"] == ("0700", "edge", "edge")


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="needs systemd-sysusers")
def test_users_and_groups_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    said = run("systemd-sysusers", f"--root={tmp_path}", SYSTEMD / "sysusers.conf")
    users = (tmp_path / "etc" / "passwd").read_text() if (tmp_path / "etc" / "passwd").exists() else said
    assert re.search(r"^edge:x:\d+:.*nologin$", users, flags=re.MULTILINE), said
    assert re.search(r"^edge-capture:x:\d+:.*nologin$", users, flags=re.MULTILINE)
    assert re.search(r"^edge-inbox:x:\d+:edge$", (tmp_path / "etc" / "group").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("unit", UNITS)
def test_what_is_left_open_says_why(unit: str) -> None:
    text = (SYSTEMD / unit).read_text()
    for directive in ("ProcSubset", "PrivateUsers", "PrivateNetwork"):
        if not re.search(rf"^{directive}=(yes|pid)$", text, flags=re.MULTILINE):
            assert re.search(rf"^# .*{directive}(=pid)? stays off", text, flags=re.MULTILINE), directive
