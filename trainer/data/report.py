"""The data report: one page without script and outside resources, made for the person who holds the images.

It is itself a look at private data, says so, and is written for its owner's eyes alone: a folder that nobody
else can enter, files that nobody else can read. Thumbnails are shown of near copies only.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from pathlib import Path

import cv2
import numpy as np

from trainer.data import report_plots as plots
from trainer.data import shortcuts, tables
from trainer.data.duplicates import FLIPS, Pair
from trainer.data.examine import Examined
from trainer.data.findings import PRIVATE, findings, shortcut
from trainer.data.private_files import make_folder, write
from trainer.pages.parts import document, figure, paragraph, table

SHOWN_PAIRS = {"across splits": 12, "two classes": 12, "across groups": 9, "within a group": 3}
"""Most pairs of each kind whose pictures are shown, in this order."""
_STYLE = """<style>
.found { list-style: none; padding: 0; margin: 14px 0; }
.found li { max-width: none; border-left: 5px solid var(--line); padding: 7px 14px; margin: 7px 0;
  display: grid; grid-template-columns: 84px 1fr; }
.found .problem { border-color: var(--warn); background: #fdf1ee; }
.found .care { border-color: #d9a441; background: #fdf8ec; }
.found .well { border-color: #4f9d69; background: #f0f7f2; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 16px; }
.pairs figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: 10px; }
.pairs img { width: 100%; image-rendering: auto; display: block; background: #000; }
.pairs figcaption { font-size: 12px; overflow-wrap: anywhere; margin-top: 6px; }
.files { font-size: 13px; columns: 2; overflow-wrap: anywhere; }
</style>"""
_MARK = {"problem": "Problem", "care": "Care", "well": "Well"}


def write_report(data: Examined, out: Path) -> Path:
    """Write ``report.html``, ``report.json``, ``near_copies.csv`` into the folder ``out``; return the page.

    Raises:
        DataError: others may look into the folder.
    """
    make_folder(out)
    pairs = io.StringIO()
    header, rows = tables.pair_list(data)
    csv.writer(pairs, lineterminator="\n").writerows([header, *rows])
    write(out / "near_copies.csv", pairs.getvalue())
    write(out / "report.json", json.dumps(tables.figures(data), indent=2) + "\n")
    write(out / "report.html", page(data))
    return out / "report.html"


def page(data: Examined) -> str:
    """The page as HTML."""
    return document(f"What is in {data.path.name}?", _body(data))


def _body(data: Examined) -> Iterator[str]:
    groups = len({record.group for record in data.records})
    splits = ", ".join(tables.split_names(data.records))
    yield _STYLE
    yield f"<header><h1>What is in {escape(data.path.name)}?</h1>"
    yield paragraph(
        f"{len(data.records)} images of {groups} groups, splits {splits}; preprocessing "
        f"{data.preprocessing}.",
        "about",
    )
    yield "</header><main>"
    yield paragraph(PRIVATE, "notice")
    yield "<h2>What was found</h2>"
    yield (
        '<ul class="found">'
        + "".join(
            f'<li class="{each.level}"><b>{_MARK[each.level]}</b><span>{escape(each.text)}</span></li>'
            for each in findings(data)
        )
        + "</ul>"
    )
    yield from _counts(data)
    yield from _copies(data)
    yield from _shortcuts(data)
    yield from _files(data)
    yield "<h2>How this was made</h2>"
    yield paragraph(_METHOD, "small")
    yield "</main>"


def _counts(data: Examined) -> Iterator[str]:
    yield "<h2>How many of what</h2>"
    yield figure(plots.counts(data), "Images of each class, by split", "Images of each class, by split.")
    yield table(*tables.by_class(data.records))
    yield figure(
        plots.group_sizes(data),
        "Histogram of the groups' sizes",
        "Images of a group (a patient) belong together: splits and intervals are by group, and a patient "
        "with many images is protected less where privacy is per image.",
    )
    people = tables.by_person(data.records)
    if people is not None:
        yield "<h3>Age and sex</h3>" + table(*people)


def _copies(data: Examined) -> Iterator[str]:
    yield "<h2>Copies</h2>"
    yield table(*tables.near_copies(data))
    yield paragraph(
        "Near copies: re-encoded, rescaled, brightened, shifted a little, mirrored or upside down; identical "
        f"files ({sum(map(len, data.copies))} images) are not counted again. All pairs stand in "
        "near_copies.csv."
    )
    yield "<h3>Does the search work on these images?</h3>"
    yield table(
        ("copies planted for the test", "found", "planted"),
        [(kind, found, planted) for kind, (found, planted) in data.control.items()],
    )
    chosen = _worst(data)
    if chosen:
        more = f", {len(chosen)} of {len(data.pairs)}" if len(chosen) < len(data.pairs) else ""
        yield f"<h3>Pairs of near copies{more}</h3>"
        yield '<div class="pairs">' + "".join(_pair(data, pair) for pair in chosen) + "</div>"


def _worst(data: Examined) -> list[Pair]:
    """The most alike pairs of each kind, no image twice."""
    chosen: dict[str, list[Pair]] = {kind: [] for kind in SHOWN_PAIRS}
    shown: set[int] = set()
    for pair in data.pairs:  # the most alike come first
        kind = "two classes" if data.labels_differ(pair) else data.relation(pair)
        if len(chosen[kind]) < SHOWN_PAIRS[kind] and not shown & {pair.first, pair.second}:
            chosen[kind].append(pair)
            shown |= {pair.first, pair.second}
    return [pair for pairs in chosen.values() for pair in pairs]


def _pair(data: Examined, pair: Pair) -> str:
    both = np.concatenate([data.images[pair.first], data.images[pair.second]], axis=1)
    _, encoded = cv2.imencode(".jpg", both, [cv2.IMWRITE_JPEG_QUALITY, 80])
    uri = "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
    a, b = data.usable[pair.first], data.usable[pair.second]
    flip = f", {pair.flip}" if pair.flip in FLIPS and pair.flip else ""
    names = f"{a.file.name} ({a.label}, {a.split}) and {b.file.name} ({b.label}, {b.split})"
    text = f"{data.relation(pair)}{flip}, likeness {pair.fine:.2f}"
    return (
        f'<figure><img src="{uri}" alt="{escape(f"Near copies: {names}", quote=True)}">'
        f"<figcaption><b>{escape(text)}</b><br>{escape(names)}</figcaption></figure>"
    )


def _shortcuts(data: Examined) -> Iterator[str]:
    yield "<h2>Shortcuts</h2>"
    yield paragraph(
        f"A probe ({shortcuts.WORDS}) was shown nothing but global statistics of each image: mean, spread, "
        "border, sharpness and the histogram of gray levels; no shape, no place. What it can tell, a network "
        "can tell without knowing anything of the disease."
    )
    for modality, each in data.probes.items():
        if each.label is not None and each.label.strength == "strong":
            yield paragraph(shortcut(modality, each.label), "notice")
    if not any(each.label or each.source for each in data.probes.values()):
        yield paragraph("There are no two classes or sources with two groups each to be told apart.")
        return
    yield figure(
        plots.probes(data),
        "Balanced accuracy of the probes",
        "Balanced accuracy of the probes with 95 % intervals over groups. Red: even the interval's low end "
        "is half of the way from guessing to perfect.",
    )
    rows = [
        (f"{modality}: {what}", f"{each.value:.3f} ({each.low:.3f} to {each.high:.3f})", f"{each.chance:.2f}",
         each.images, each.groups, each.how)
        for modality, probes in data.probes.items()
        for what, each in (("class", probes.label), ("class", probes.transfer), ("source", probes.source))
        if each is not None
    ]  # fmt: skip
    yield table(
        ("told from brightness alone", "balanced accuracy", "chance", "images", "groups", "judged"), rows
    )
    yield figure(
        plots.brightness(data),
        "Histograms of mean gray levels by class",
        "Mean gray level of the images of each class. Where the curves lie apart, brightness is a shortcut. "
        "(The network's input is brought to mean 0 and spread 1, which takes away some of this, not all.)",
    )


def _files(data: Examined) -> Iterator[str]:
    if not (data.faults or data.changed or data.copies or data.leaks):
        return
    yield "<h2>Files</h2>"
    reasons: dict[str, list[str]] = defaultdict(list)
    for fault in data.faults:
        reasons[f"Cannot be used: {fault.reason}. Do this: {fault.remedy}."].append(str(fault.record.file))
    for what, which in data.leaks.items():
        reasons[f"Splits: {what}"] += which
    reasons["Not what the index was made of"] += [str(record.file) for record in data.changed]
    reasons["Identical content"] += [" = ".join(str(r.file) for r in copies) for copies in data.copies]
    for title, files in reasons.items():
        if files:
            yield f"<h3>{escape(title)} ({len(files)})</h3>"
            yield '<p class="files">' + "<br>".join(escape(file) for file in files) + "</p>"


_METHOD = (
    "Images are read and brought to 224 x 224 by the code that the box runs. Copies: 256-bit difference "
    "hash and correlation of 24 x 24 thumbnails between all images, four ways up; the ten nearest by each "
    "are judged by the correlation of their fine structure at 64 x 64 at the best small shift (0.80 and "
    "more is a near copy). Quarter turns and strong crops are not looked for. Probes: 300 trees on 39 "
    "global statistics, five folds that keep groups together, learnt on the split train; intervals by "
    "drawing groups 2,000 times. Of the split test, if it was given, counts and copies are told, nothing "
    "else was done with it."
)
