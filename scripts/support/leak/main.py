"""scripts/bench leak: plant identities, run the box's own rooms over them, and look at what leaves."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

from support.leak import budget, drawn, page, real_videos, report, run_peers, run_video, sheet
from support.leak.video_cases import cases
from trainer.detectors.faces import portraits

_ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("what", choices=("leak", "budget", "drawn"))
    parser.add_argument("--cases", type=int, help="only so many cases (default: all 3,240)")
    parser.add_argument("--peers", type=int, default=0, help="deface, too, on the first so many cases")
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--sheet", type=Path, default=_ROOT / ".cache" / "leak" / "sheet.jpg",
                        help="contact sheet of real pictures; not for committing")  # fmt: skip
    args = parser.parse_args()
    if args.what == "drawn":
        return drawn.main(_ROOT / "docs" / "anonymization.jpg")
    data = Path(os.environ.get("EDGE_DATA", _ROOT.parent / "shared" / "data"))
    if not (data / "faces" / "portraits").is_dir():
        raise SystemExit(f"{data / 'faces' / 'portraits'}: not there; name the data in EDGE_DATA")
    if args.what == "budget":
        return budget.main(data, args.json)
    planned = cases(portraits.names("bench"))[: args.cases]
    results = list(run_video.run_all(planned, data))
    unseen = [result.number for result in results if result.control < 0.99]
    if unseen:
        raise SystemExit(f"the control does not show {len(unseen)} of {len(results)} planted identities")
    rows = report.rows(planned, results)
    parts = [report.markdown(rows)]
    parts.append(f"Control, anonymization off: {len(results)} of {len(results)} cases show their identity.")
    real = list(real_videos.run(data / "faces" / "files", run_video.detectors()))
    parts.append(real_videos.markdown(real))
    peers = run_peers.run(planned[: args.peers], str(data)) if args.peers else []
    if peers:
        parts.append(run_peers.markdown(results, peers))
    print("\n\n".join(parts))
    if args.cases is None:
        page.write("leak", "\n\n".join(parts))
    sheet.write(args.sheet, planned, results, str(data))
    if args.json:
        everything = {
            "rows": [asdict(row) for row in rows],
            "cases": [asdict(result) for result in results],
            "real videos": [asdict(each) for each in real],
            "peers": [asdict(peer) for peer in peers],
        }
        args.json.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
