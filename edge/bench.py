"""``edge bench``: one video through the whole box, measured from one run.

The box is a real one: an enrolled box with its broker, its own capture process, and every gate closed.
Only its sources are replaced by the video, and the DICOM receiver is off.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edge import journal
from edge.assembly import Box, NotReadyError
from edge.daemon import Daemon
from edge.settings import Settings, Source, load

_NAME = "bench"


def _with_source(settings: Settings, source: Path, pace: str, runtime: Path) -> Settings:
    """The same box with one source: what its first source looks at, read from the video."""
    template = (
        settings.source[0] if settings.source else Source(kind="video", looks_at="scene", whole_scene=True)
    )
    changed = template.model_copy(
        update={"name": _NAME, "kind": "video", "path": source.resolve(), "pace": pace, "loop": True}
    )
    return settings.model_copy(
        update={
            "source": (changed,),
            "dicom": settings.dicom.model_copy(update={"enabled": False}),
            "box": settings.box.model_copy(update={"runtime": runtime}),
        }
    )


def _cpu_seconds(child: int) -> float:
    """CPU seconds of this process and of the capture process with its workers."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    ticks = os.sysconf("SC_CLK_TCK")
    total = own.ru_utime + own.ru_stime
    for pid in _tree(child):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(word) for word in children.read_text(encoding="ascii").split()] if children.exists() else []
    return [pid, *(each for child in below for each in _tree(child))]


def _peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(settings: Settings, seconds: float, settings_file: Path) -> dict[str, Any]:
    """Run the box for ``seconds`` after its first published frame; return the figures.

    Raises:
        NotReadyError: no frame was published within a minute.
    """
    box = Box(settings)
    daemon = Daemon(box)
    capture = subprocess.Popen(
        [sys.executable, "-m", "edge.capture_process", "--settings", str(settings_file)]
    )
    runner = threading.Thread(target=daemon.run, name="bench")
    try:
        daemon.start()
        runner.start()
        end = time.monotonic() + 60
        while box.figures.counts().get("published", 0) == 0:
            if time.monotonic() > end:
                raise NotReadyError(
                    f"no frame was published within a minute; held back: {box.figures.suppressed()}"
                )
            time.sleep(0.1)
        before = (box.figures.counts(), box.figures.suppressed(), _cpu_seconds(capture.pid), time.monotonic())
        box.figures.forget_times()
        time.sleep(seconds)
        after = (box.figures.counts(), box.figures.suppressed(), _cpu_seconds(capture.pid), time.monotonic())
        peaks = {
            "daemon": _peak_mib(os.getpid()),
            "capture": sum(_peak_mib(pid) for pid in _tree(capture.pid)),
        }
        stages = box.figures.milliseconds()
    finally:
        daemon.ask_to_stop()
        runner.join(5)
        daemon.stop()
        capture.terminate()
        capture.wait(10)
    return _report(before, after, peaks, stages, settings)


def _report(
    before: Any, after: Any, peaks: dict[str, float], stages: Any, settings: Settings
) -> dict[str, Any]:
    wall, cpu = after[3] - before[3], after[2] - before[2]
    counts = {name: value - before[0].get(name, 0) for name, value in after[0].items()}
    masked = stages.pop("masked_share", {"mean": 0.0})["mean"] / 1e3
    sealing = stages.get("seal_cpu", {"mean": 0.0, "n": 0})
    return {
        "seconds": round(wall, 1),
        "cores": len(os.sched_getaffinity(0)),
        "frames_per_second": round(counts.get("published", 0) / wall, 1),
        "captured_per_second": round(counts.get("live_captured", 0) / wall, 1),
        "latency_ms": stages.get("frame_to_broker"),
        "configured_delay_ms": round((settings.anonymize.delay + 1.0) * 1e3),
        "stages_ms": stages,
        "dropped": counts.get("dropped", 0),
        "suppressed": {
            reason: value - before[1].get(reason, 0)
            for reason, value in after[1].items()
            if value > before[1].get(reason, 0)
        },
        "masked_share": round(masked, 4),
        "cpu_seconds": round(cpu, 1),
        "cpu_ms_per_frame": round(cpu * 1e3 / max(1, counts.get("published", 0)), 1),
        "seal_share_of_cpu": round(sealing["mean"] * sealing["n"] / 1e3 / max(cpu, 1e-9), 4),
        "peak_memory_mib": {name: round(value, 1) for name, value in peaks.items()},
    }


def _capture_settings(settings: Settings) -> str:
    """What the capture process reads of the changed settings, as TOML."""
    (source,) = settings.source
    values = {
        "name": source.name,
        "kind": source.kind,
        "path": str(source.path),
        "pace": source.pace,
        "loop": source.loop,
        "looks_at": source.looks_at,
        "modality": source.modality,
        "body_part": source.body_part,
    }
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
    box = settings.box
    return (
        f"[box]\nstate = {json.dumps(str(box.state))}\nruntime = {json.dumps(str(box.runtime))}\n"
        f"[dicom]\nenabled = false\n[[source]]\n{table}\n"
    )


def main(path: Path, source: Path, seconds: float, *, pace: str, as_json: bool) -> int:
    """Measure, and print the figures as a table or as JSON; returns the exit code."""
    settings = load(path)
    journal.set_up("warning")
    if not source.is_file():
        print(f"{source}: no such file; expected a video", file=sys.stderr)
        return 78
    with TemporaryDirectory(prefix="edge-bench-") as folder:
        runtime = Path(folder)
        changed = _with_source(settings, source, pace, runtime)
        file = runtime / "edge.toml"
        file.write_text(_capture_settings(changed), encoding="utf-8")
        try:
            report = measure(changed, seconds, file)
        except NotReadyError as error:
            print(f"the box is not ready: {error}", file=sys.stderr)
            return 69
    report["source"] = source.name
    report["pace"] = pace
    if as_json:
        print(json.dumps(report, indent=1))
        return 0
    print(f"{report['frames_per_second']} frames a second of {report['captured_per_second']} captured")
    for stage, times in report["stages_ms"].items():
        print(f"  {stage:<18} p50 {times['p50']:>8} ms   p99 {times['p99']:>8} ms   n {times['n']}")
    for key in ("latency_ms", "dropped", "suppressed", "masked_share", "cpu_ms_per_frame", "peak_memory_mib"):
        print(f"  {key:<18} {report[key]}")
    return 0
