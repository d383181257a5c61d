"""scripts/bench: the data path at two sizes, each from one run of ``edge bench``, into the README."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import bench_wire, inputs, scene
from support.demo import video_source
from support.peers import deface_peer
from support.site import ROOT, Site

_SIZES = ((640, 480), (1280, 720))
_BEGIN, _END = "<!-- bench: begin -->", "<!-- bench: end -->"


def _measure(
    folder: Path, size: tuple[int, int], seconds: int, data: Path | None, pace: str = "real"
) -> dict[str, Any]:
    images = inputs.real_images(data, 1) if data else inputs.wheel_images()
    image, kind = next((image, kind) for image, kind in images if kind[0] == ("CR" if data else "MR"))
    folder.mkdir(parents=True, exist_ok=True)
    video = folder / f"{size[0]}x{size[1]}.avi"
    scene.write(video, image, name="NOBODY", seconds=10, width=size[0], height=size[1])
    with Site.running(folder / "site", source=video_source(video, kind)) as site:
        site.enrol()
        site.start_broker()
        site.start_receiver(table=False)
        command = [sys.executable, "-m", "edge.cli", "bench", "--settings", str(site.settings)]
        command += ["--source", str(video), "--seconds", str(seconds), "--pace", pace, "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"edge bench failed:\n{done.stderr}")
        report: dict[str, Any] = json.loads(done.stdout)
    report["size"], report["video"] = f"{size[0]}x{size[1]}", str(video)
    return report


def table(reports: list[dict[str, Any]]) -> str:
    """The figures as a Markdown table."""
    columns = {
        "source": lambda r: f"{r['size']} at 30",
        "frames/s": lambda r: str(r["frames_per_second"]),
        "frame to broker, p50 / p99": lambda r: (
            f"{r['latency_ms']['p50']:.0f} / {r['latency_ms']['p99']:.0f} ms"
        ),
        "masked": lambda r: f"{r['masked_share']:.1%}",
        "held back": lambda r: str(sum(r["suppressed"].values())),
        "dropped": lambda r: str(r["dropped"]),
        "CPU a frame": lambda r: f"{r['cpu_ms_per_frame']:.1f} ms",
        "sealing": lambda r: f"{r['seal_share_of_cpu']:.1%} of CPU",
        "peak memory": lambda r: (
            " + ".join(f"{value:.0f}" for value in r["peak_memory_mib"].values()) + " MiB"
        ),
    }
    rows = [list(columns), ["---"] * len(columns), *([cell(r) for cell in columns.values()] for r in reports)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _against_deface(folder: Path, seconds: int, data: Path | None) -> int:
    """The same clip, as fast as it goes, through the whole box and through deface's own command."""
    ours = _measure(folder, _SIZES[-1], seconds, data, "fast")
    theirs = deface_peer.frames_per_second(Path(ours["video"]), 10 * 30)
    ratio = ours["frames_per_second"] / theirs
    print(f"{ours['size']}: this box {ours['frames_per_second']:.1f} frames/s from capture to broker, "
          f"deface {theirs:.2f} frames/s from file to file: {ratio:.1f} times as many")  # fmt: skip
    print("What either of them lets out: scripts/bench leak --peers 60")
    return 0


def main() -> int:
    """Measure both sizes, print the table, and write it into the README."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("path", "wire", "deface"), default="path", help="what to measure"
    )
    parser.add_argument("--seconds", type=int, default=20, help="seconds measured at each size")
    parser.add_argument("--json", type=Path, help="write all figures here")
    args = parser.parse_args()
    if args.what == "wire":
        return bench_wire.main()
    place = Path(os.environ.get("EDGE_DATA", ROOT.parent / "shared" / "data"))
    data = place if (place / "index.csv").is_file() else None
    if args.what == "deface":
        return _against_deface(ROOT / ".demo" / "bench", args.seconds, data)
    reports = [_measure(ROOT / ".demo" / "bench", size, args.seconds, data) for size in _SIZES]
    written = table(reports)
    print(written)
    if args.json:
        args.json.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    cores = f"{reports[0]['cores']} cores ({platform.machine()})"
    note = (
        f"Measured with `scripts/bench` on {cores}, {args.seconds} s each. "
        f"The way to the broker includes the delay line and the one-second envelope, "
        f"{reports[0]['configured_delay_ms']} ms at most. Memory: daemon, then capture with its workers."
    )
    block = f"{_BEGIN}\n{written}\n\n{note}\n{_END}"
    readme.write_text(re.sub(f"{_BEGIN}.*?{_END}", lambda _: block, text, flags=re.DOTALL))
    return 0


if __name__ == "__main__":
    sys.exit(main())
