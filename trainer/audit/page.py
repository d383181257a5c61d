"""The audit as one self-contained page with plots and pictures; it stays on the workstation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Canvas

from trainer.audit import report
from trainer.audit.one_run import INTACT
from trainer.audit.pictures import Inversion
from trainer.audit.result import Canaries, Result
from trainer.pages.parts import bullets, document, figure, paragraph, picture, table
from trainer.pages.plot import DARK, LIGHT, MUTED, STYLE, WARN, svg

BROKEN_LIGHT = "#e8b4a8"
FAR = 12.0
"""Where the axis of epsilon ends."""
SHOWN, GAP = 112, 8
"""Pixels of a picture, and between two."""


def page(result: Result) -> str:
    """HTML of the whole audit."""
    return document("Privacy audit", _body(result))


def _body(result: Result) -> Iterator[str]:
    found = report.findings(result)
    yield "<header><h1>Privacy audit</h1></header><main>"
    yield paragraph(
        f"{result.members} images trained on, {result.others} others, {result.seconds:.0f} s.", "about"
    )
    yield paragraph(report.STAYS, "notice")
    bad = result.contradicted or result.missed
    yield from (paragraph(each, "notice" if bad else "privacy") for each in found)
    yield paragraph(report.EVIDENCE)
    if result.notes:
        yield bullets(result.notes)
    yield "<h2>Claimed and found</h2>"
    yield table(report.COLUMNS, report.rows(result))
    yield paragraph(report.ON_BOUNDS, "small")
    yield figure(
        _membership(result),
        "True against false positive rate of the membership attacks",
        "Membership attacks, on logarithmic axes; the dotted diagonal is guessing. A curve on it tells "
        "nobody's images apart from others.",
    )
    if any(_plotted(each) for each in result.canaries):
        yield figure(
            _canaries(result.canaries),
            "Lower bounds of epsilon beside the claim",
            "Lower bounds (95 %) by canaries: dark proved, light indicated; the black mark is the claim. Red "
            "mechanisms were broken on purpose, and their bars have to pass it.",
        )
    if result.inversions:
        yield "<h2>Model inversion</h2>"
        yield table(report.INVERSION_COLUMNS, report.inversion_rows(result))
        yield paragraph(report.ON_INVERSION, "small")
        for each in result.inversions:
            yield from _gallery(each)
    yield "</main>"


def _membership(result: Result) -> str:
    with mpl.rc_context(STYLE):
        canvas = Canvas((7.4, 4.0), layout="constrained")
        axes = canvas.add_subplot()
        for each in result.membership:
            # One curve of each, and not chosen by its result: online where there is such an attack.
            name, attack = next(iter(each.attacks.items()))
            axes.plot(*attack.curve, label=f"{each.subject} ({report.ATTACKS[name]})")
        line = np.logspace(-4, 0, 50)
        axes.plot(line, line, color=MUTED, ls=":", lw=1)
        axes.set(xscale="log", yscale="log", xlim=(1e-4, 1), ylim=(1e-4, 1.1))
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
        axes.legend(fontsize=7)
        return svg(canvas)


def _plotted(each: Canaries) -> bool:
    return each.attack.bounds is not None and each.claimed is not None


def _canaries(canaries: Sequence[Canaries]) -> str:
    shown = [each for each in reversed(canaries) if _plotted(each)]
    with mpl.rc_context(STYLE):
        canvas = Canvas((7.4, 0.4 * len(shown) + 1.2), layout="constrained")
        axes = canvas.add_subplot()
        for place, each in enumerate(shown):
            bounds = each.attack.bounds
            assert bounds is not None
            broken = each.sabotage != INTACT.name
            axes.barh(place, min(bounds.indicated, FAR), 0.6, color=BROKEN_LIGHT if broken else LIGHT)
            axes.barh(place, min(bounds.proved, FAR), 0.3, color=WARN if broken else DARK)
            claim: Any = each.claimed
            axes.plot([claim] * 2, [place - 0.45, place + 0.45], "k", lw=2)
        names = [f"{each.mechanism}: {each.sabotage} ({each.kind.split(',')[0]})" for each in shown]
        axes.set_yticks(range(len(shown)), names, fontsize=7)
        axes.set(xlabel="epsilon")
        return svg(canvas)


def _gallery(each: Inversion) -> Iterator[str]:
    yield f"<h3>{escape(each.subject)}</h3>"
    yield paragraph("Left the reconstruction, right its nearest member.", "small")
    yield '<div class="cards">'
    for name, *both in each.shown:
        made, near = (cv2.resize(one, (SHOWN, SHOWN), interpolation=cv2.INTER_AREA) for one in both)
        row = np.hstack([made, np.full((SHOWN, GAP), 255, np.uint8), near])
        yield picture(bytes(cv2.imencode(".png", row)[1]), f"Reconstruction and member, {name}", name)
    yield "</div>"
