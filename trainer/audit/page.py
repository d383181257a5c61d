"""The audit as text for a terminal and as an HTML page with plots and pictures for the workstation."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from trainer.audit.one_run import INTACT
from trainer.audit.pictures import Inversion
from trainer.audit.result import MEANS, Canaries, Result
from trainer.audit.roc import FALSE_POSITIVE_RATES, Attack

STAYS = (
    "This audit was made from private images and is not covered by epsilon: keep it on the workstation, "
    "publish nothing of it but this table, and that only after a second look."
)
EVIDENCE = (
    "A lower bound below the claim is evidence, not proof: it says that these attacks found no more. The "
    "guarantee rests on the accounting and on the code; the audit looks for what both may have missed."
)
COLUMNS = (
    "what",
    "claimed epsilon",
    "lower bound",
    "indication, no proof",
    "AUC",
    *(f"TPR at {100 * wanted:g} % FPR" for wanted in FALSE_POSITIVE_RATES),
)
INVERSION_COLUMNS = (
    "what",
    "a member is nearer (chance 0.5)",
    "the same in features",
    "nearest is a member",
    "similarity to nearest member",
    "to nearest other",
)
STYLE = """body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}
td,th{border-bottom:1px solid #ccc;padding:.3em .7em;text-align:left}
.bad{background:#fdd}.good{background:#dfd}.note{background:#ffd;padding:.7em}
figure{display:inline-block;margin:.5em}img{max-width:100%}figcaption{font-size:85%}"""
ON_BOUNDS = (
    "Intervals and lower bounds are at 95 %. Thresholds were chosen on other trials than those judged. A "
    "mechanism marked as broken keeps its claim: its bound has to exceed it. A lower bound rests on the "
    "count of right guesses, which holds for every mechanism in one run; on a Gaussian curve only where each "
    "release takes all units; on error rates with Clopper-Pearson limits only where trials are independent. "
    "Verdicts rest on it alone. The indication takes every bound whether its conditions are met or not: "
    "it says where to look, and decides nothing."
)
ON_INVERSION = (
    "A picture that looks like its class is no leak; one that is nearer to images trained on than to others "
    "of the class is. An interval that holds 0.5 shows none. It does not show that no better attack exists; "
    "and the others come from other patients, so a difference of the splits can look like a leak."
)


def conclusions(result: Result) -> list[str]:
    """What the figures say, in sentences."""
    privacy = result.record.privacy
    said = []
    if result.contradicted:
        said.append(
            f"THE CLAIM IS CONTRADICTED (99.9 % confidence) by: {', '.join(result.contradicted)}. "
            "Do not release this model; look for the error in the mechanism or in its accounting."
        )
    else:
        bounds = [
            each.attack.bounds.proved
            for each in result.canaries
            if each.sabotage == INTACT.name
            and each.mechanism != MEANS
            and each.claimed is not None
            and each.attack.bounds
        ]
        if bounds:
            said.append(
                f"No attack contradicts epsilon {privacy.epsilon:.4g} at delta {privacy.delta:g} per "
                f"{privacy.unit}. The largest lower bound with canaries is {max(bounds):.2f}."
            )
    if result.indications:
        said.append(
            f"Indication, no proof: {', '.join(result.indications)} would exceed the claim by a bound whose "
            "conditions are not met there. Run the audit again at full size, and look at that mechanism."
        )
    controls = [each for each in result.canaries if each.sabotage != INTACT.name]
    if controls and not result.missed:
        said.append(f"Control: all {len(controls)} mechanisms broken on purpose were caught.")
    elif controls:
        said.append(
            f"Control: broken on purpose and NOT caught: {'; '.join(result.missed)}. With so few canaries "
            "a silence of this audit means little; run it at full size."
        )
    return [*said, EVIDENCE, STAYS]


def rows(result: Result) -> list[tuple[str, ...]]:
    """The table: the claim beside what attacks prove, and the networks without DP as contrast."""
    made = []
    for each in result.membership:
        attack = best_attack(each.attacks)
        made.append(_row(f"membership: {each.subject} ({attack[0]})", each.claimed, attack[1]))
    made += [_row(_title(each), each.claimed, each.attack) for each in result.canaries]
    return made


def best_attack(attacks: dict[str, Attack]) -> tuple[str, Attack]:
    """The one that finds most at the smallest false positive rate, then by area."""
    return max(attacks.items(), key=lambda each: (each[1].rates[0].tpr, each[1].auc))


def inversion_rows(result: Result) -> list[tuple[str, ...]]:
    """The table of inversions."""
    made: list[tuple[str, ...]] = []
    for each in result.inversions:
        pixels, features = each.pixels, each.features
        made.append(
            (
                each.subject,
                _with(pixels.member_nearer, pixels.member_nearer_interval),
                "" if features is None else _with(features.member_nearer, features.member_nearer_interval),
                f"{pixels.nearest_is_member}/{pixels.reconstructions} {_range(pixels.nearest_interval, 2)}",
                f"{pixels.nearest_similarity:.3f}",
                f"{pixels.nearest_similarity_other:.3f}",
            )
        )
    return made


def text(result: Result) -> str:
    """For a terminal."""
    parts = [_plain(COLUMNS, rows(result))]
    if result.inversions:
        parts.append(_plain(INVERSION_COLUMNS, inversion_rows(result)))
    parts += [*result.notes, *conclusions(result), f"{result.seconds:.0f} s"]
    return "\n\n".join(parts)


def page(result: Result) -> str:
    """One HTML file without anything from outside."""
    said = conclusions(result)
    shown = "bad" if result.contradicted or result.missed else "good"
    parts = [
        "<!doctype html><meta charset=utf-8><title>Privacy audit</title>",
        f"<style>{STYLE}</style><h1>Privacy audit</h1>",
        f"<p class=note>{html.escape(STAYS)}</p>",
        f"<p class={shown}>{html.escape(' '.join(said[:-2]))}</p><p>{html.escape(EVIDENCE)}</p>",
        "".join(f"<p>{html.escape(note)}</p>" for note in result.notes),
        "<h2>Claimed and found</h2>",
        _table(COLUMNS, rows(result)),
        f"<p>{ON_BOUNDS}</p>",
        _image(_roc_plot(result), "Membership attacks; the diagonal is guessing"),
        _image(_canary_plot(result.canaries), "Lower bounds (95 %) beside the claim"),
        "<h2>Model inversion</h2>",
        _table(INVERSION_COLUMNS, inversion_rows(result)),
        f"<p>{ON_INVERSION}</p>",
        *(_gallery(each) for each in result.inversions),
        f"<p>{result.members} images trained on, {result.others} others, {result.seconds:.0f} s.</p>",
    ]
    return "\n".join(parts)


def _title(each: Canaries) -> str:
    broken = "" if each.sabotage == INTACT.name else f", BROKEN: {each.sabotage}"
    return f"canaries: {each.mechanism}{broken} ({each.kind})"


def _row(title: str, claimed: float | None, attack: Attack) -> tuple[str, ...]:
    bounds = attack.bounds
    return (
        title,
        "none" if claimed is None else f"{claimed:.3f}",
        "" if bounds is None else f"{bounds.proved:.2f}",
        "" if bounds is None else f"{bounds.indicated:.2f}",
        _with(attack.auc, attack.auc_interval),
        *(_with(rate.tpr, rate.tpr_interval, 4) for rate in attack.rates),
    )


def _with(value: float, interval: tuple[float, float], digits: int = 3) -> str:
    return f"{value:.{digits}f} {_range(interval, digits)}"


def _range(interval: tuple[float, float], digits: int) -> str:
    return f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def _plain(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[place]) for line in (columns, *lines)) for place in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (columns, *lines)
    )


def _table(columns: Iterable[str], lines: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(each)}</th>" for each in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _roc_plot(result: Result) -> bytes:
    figure, axes = _figure()
    for each in result.membership:
        name, attack = best_attack(each.attacks)
        axes.plot(*attack.curve, label=f"{each.subject} ({name})")
    line = np.logspace(-4, 0, 50)
    axes.plot(line, line, "k:", lw=1)
    axes.set(xscale="log", yscale="log", xlim=(1e-4, 1), ylim=(1e-4, 1.1))
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(fontsize=7)
    return _png(figure)


def _canary_plot(canaries: Sequence[Canaries]) -> bytes:
    shown = [each for each in canaries if each.attack.bounds is not None and each.claimed is not None]
    figure, axes = _figure(height=0.4 * len(shown) + 1.2)
    for place, each in enumerate(reversed(shown)):
        bounds = each.attack.bounds
        assert bounds is not None
        broken = each.sabotage != INTACT.name
        axes.barh(place, min(bounds.indicated, 12), 0.6, color="#e99" if broken else "#9c9")
        axes.barh(place, min(bounds.proved, 12), 0.3, color="#c33" if broken else "#373")
        axes.plot([each.claimed] * 2, [place - 0.45, place + 0.45], "k", lw=2)
    names = [f"{each.mechanism}: {each.sabotage} ({each.kind.split(',')[0]})" for each in reversed(shown)]
    axes.set_yticks(range(len(shown)), names, fontsize=7)
    axes.set(xlabel="epsilon: claimed (black), proved (dark), indicated (light)")
    return _png(figure)


def _gallery(each: Inversion) -> str:
    figures = "".join(
        f"<figure><img width=112 src='{_uri(_gray(made))}'><img width=112 src='{_uri(_gray(near))}'>"
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for name, made, near in each.shown
    )
    head = f"<h3>{html.escape(each.subject)}</h3><p>Left the reconstruction, right its nearest member.</p>"
    return head + figures


def _figure(height: float = 4.0) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, height), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Any) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    return data.getvalue()


def _gray(image: Any) -> bytes:
    import cv2

    return bytes(cv2.imencode(".png", image)[1])


def _uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _image(data: bytes, caption: str) -> str:
    return f"<figure><img src='{_uri(data)}'><figcaption>{html.escape(caption)}</figcaption></figure>"
