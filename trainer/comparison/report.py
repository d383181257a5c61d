"""The table as text, Markdown, JSON and a page; written from what is there, gaps with their reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.comparison import results, summary
from trainer.comparison.answers import ACCURACY, BLIND, MEAN
from trainer.comparison.recipes import RECIPES
from trainer.comparison.results import Result
from trainer.comparison.summary import Difference, Figure, Row
from trainer.evaluation.judge import NO_EVIDENCE
from trainer.privacy import choices

NAMES = {MEAN: "mean of the modalities", ACCURACY: "all classes", BLIND: "all classes, modality unknown"}
NOTE = (
    "Modality known unless it says otherwise; balanced accuracy within each modality; mean ± SD over the "
    "repetitions (new noise and new samples each time) and, in brackets, the 95 % interval by bootstrap over "
    "groups of patients. Differences are taken on the same resamples. Times leave out pretraining on "
    "procedural images and the search of settings. Networks trained to tell apart the classes within a "
    "modality have no meaningful figure without the modality known."
)
SEARCH = (
    "Settings tried: each recipe but ours and the probe chose among three or four values of one setting, or "
    "(heads on whitened features) among twelve pairs of two, by trainings on four fifths of the training "
    "groups, judged on the rest (the large networks for a third of their epochs, DP-SGD from scratch with "
    f"one view). Ours had more: {choices.ALL} networks, priors and settings of the head were compared "
    f"{choices.WHERE}, so it is ahead by what such a search gains, and figures on val favour it. The rows of "
    "ours without privacy share its network and prior and searched three values more: a longer search might "
    "raise them, so the price of privacy is at least the difference. Ablations take the settings as they "
    "are; the probe has none."
)


def heading(name: str) -> str:
    """A headline in words."""
    kind, _, what = name.partition("/")
    if not what:
        return NAMES.get(name, name)
    return what if kind == "balanced" else f"{what} AUC"


def short(figure: Figure | None) -> str:
    """``0.817 ± 0.004 (0.765 to 0.861)``."""
    if figure is None:
        return "-"
    spread = "" if figure.deviation is None else f" ± {figure.deviation:.3f}"
    return f"{figure.value:.3f}{spread} ({figure.low:.3f} to {figure.high:.3f})"


def signed(figure: Figure) -> str:
    """``+0.021 (-0.010 to 0.052)``."""
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"


def clock(seconds: float | None) -> str:
    """``12 s``, ``4.5 min`` or ``-``."""
    if seconds is None:
        return "-"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def cells(row: Row, names: Sequence[str]) -> list[str]:
    """The row's cells: recipe, epsilon, repetitions, settings tried, figures, cost, GPU."""
    recipe = row.recipe
    memory = row.mean_cost("memory_mib")
    gpu_memory = row.mean_cost("gpu_memory_mib")
    mib = (
        "-"
        if memory is None
        else f"{memory:.0f}" + ("" if gpu_memory is None else f" + {gpu_memory:.0f} GPU")
    )
    epsilon = "none" if recipe.epsilon is None else f"{recipe.epsilon:g}"
    return [
        recipe.title,
        epsilon,
        f"{len(row.results)}/{row.wanted}",
        row.tried,
        *(short(row.figures.get(name)) for name in names),
        clock(row.mean_cost("seconds")),
        mib,
        row.gpu,
    ]


def header(names: Sequence[str]) -> list[str]:
    """Headings of `cells`."""
    return [
        "recipe",
        "epsilon",
        "runs",
        "settings tried",
        *(heading(name) for name in names),
        "time of a run",
        "memory, MiB",
        "GPU",
    ]


def gaps(rows: Sequence[Row]) -> list[str]:
    """What is missing, and why."""
    return [
        f"{row.recipe.title}{'' if row.recipe.epsilon is None else f', epsilon {row.recipe.epsilon:g}'} "
        f"({row.recipe.row}): {row.wanted - len(row.results)} of {row.wanted} missing, {row.missing}"
        for row in rows
        if row.missing
    ]


def about(found: Sequence[Result], rows: Sequence[Row]) -> list[str]:
    """What the table was made on, in sentences."""
    if not found:
        return ["No row has a result yet."]
    first = found[0]
    number = max(each.split_reads for each in found)
    said = [f"Split {first.split!r}: {first.images} images of {first.groups} groups; read number {number}."]
    if first.left_out:
        said.append(f"{first.left_out} images left out: nothing of their class was trained on.")
    if first.split != "test":
        said.append(f"This is the split {first.split!r}: figures to develop by, none to claim.")
    weak = [
        f"{name}: {part['groups']} groups, {NO_EVIDENCE}"
        for name, part in first.figures["per_modality"].items()
        if part["evidence"]
    ]
    said += [f"{'; '.join(weak)}."] if weak else []
    open_runs = sum(each.privacy is None for each in found)
    searches = {each.row: each.search for each in found if each.privacy is None and each.search}
    tried = sum(len(search["tried"]) for search in searches.values())
    said.append(
        f"{len(found) - open_runs} runs of this table were private: each of them, and each setting that was "
        f"tried for them, stands in the ledger as a research run. {open_runs} runs on the same images, and "
        f"{tried} trials of settings for them, had no privacy: they are counted there, without an epsilon."
    )
    said += sorted({f"{row.recipe.title}: {note}." for row in rows for r in row.results for note in r.notes})
    return said


def recipes(rows: Sequence[Row]) -> list[str]:
    """Where each recipe comes from, and how its settings were chosen."""
    said = []
    for row in rows:
        recipe = row.recipe
        search = next((each.search for each in row.results if each.search), None)
        how = recipe.tuned
        if search:
            values = ", ".join(f"{name} {value:g}" for name, value in search["chosen"].items())
            how += f"; {values}, the best of {len(search['tried'])} on held-out training groups"
            how += _at_an_end(search)
            less = search.get("shortened", {}).items()
            how += "".join(f", each tried with {name} {value:g}" for name, value in less)
            failed = sum(each["score"] is None for each in search["tried"])
            how += f"; {failed} of them diverged" if failed else ""
        said.append(f"{recipe.title} ({recipe.row}): {recipe.source}. Settings: {how}.")
    return said


def _at_an_end(search: dict[str, Any]) -> str:
    """Says so where the best value is the least or the largest that was tried."""
    ends = []
    for name, best in search["chosen"].items():
        tried = [each["settings"][name] for each in search["tried"]]
        if len(tried) > 1 and best in {min(tried), max(tried)}:
            ends.append(name)
    return f" ({', '.join(ends)} at an end of what was tried: further values might do better)" if ends else ""


def markdown(rows: Sequence[Row], gone: Sequence[Difference], found: Sequence[Result]) -> str:
    """The whole report as Markdown."""
    names = summary.headline_names(rows)
    lines = ["# Comparison of recipes", "", *about(found, rows), "", NOTE, "", SEARCH, ""]
    head = header(names)
    lines += [_line(head), _line(["---"] * len(head))]
    lines += [_line(cells(row, names)) for row in rows]
    if gone:
        lines += ["", "## Differences", "", _line(["difference", *(heading(name) for name in names)])]
        lines.append(_line(["---"] * (1 + len(names))))
        for each in gone:
            parts = [signed(each.figures[name]) if name in each.figures else "-" for name in names]
            lines.append(_line([each.name, *parts]))
    if gaps(rows):
        lines += ["", "## Missing", "", *(f"- {text}" for text in gaps(rows))]
    lines += ["", "## Recipes", ""]
    lines += [f"- {each}" for each in recipes(rows)]
    return "\n".join(lines) + "\n"


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "/") for text in texts) + " |"


def as_json(rows: Sequence[Row], gone: Sequence[Difference], found: Sequence[Result]) -> dict[str, Any]:
    """The whole table as plain data, without the resamples."""
    first = found[0] if found else None
    return {
        "made": results.now(),
        "split": first.split if first else None,
        "split_sha256": first.split_sha256 if first else None,
        "split_reads": max((each.split_reads for each in found), default=0),
        "images": first.images if first else 0,
        "groups": first.groups if first else 0,
        "interval": "95 %, bootstrap over groups, of the mean over the repetitions",
        "rows": [_row(row) for row in rows],
        "differences": [
            {
                "name": each.name,
                "of": [each.minuend, each.subtrahend],
                **{name: figure.to_json() for name, figure in each.figures.items()},
            }
            for each in gone
        ],
    }


def _row(row: Row) -> dict[str, Any]:
    recipe, first = row.recipe, row.results[0] if row.results else None
    return {
        "row": recipe.row,
        "title": recipe.title,
        "family": recipe.family,
        "source": recipe.source,
        "epsilon": recipe.epsilon,
        "privacy": first.privacy if first else None,
        "repetitions": len(row.results),
        "wanted": row.wanted,
        "missing": row.missing,
        "figures": {name: figure.to_json() for name, figure in row.figures.items()},
        "each": [each.headlines for each in row.results],
        "seconds": row.mean_cost("seconds"),
        "cpu_seconds": row.mean_cost("cpu_seconds"),
        "memory_mib": row.mean_cost("memory_mib"),
        "gpu_memory_mib": row.mean_cost("gpu_memory_mib"),
        "device": first.device if first else None,
        "gpu": row.gpu,
        "settings": first.settings if first else None,
        "search": first.search if first else None,
        "settings_tried": row.tried,
        "parameters": first.parameters if first else None,
        "notes": list(first.notes) if first else [],
    }


def text(rows: Sequence[Row], folder: Path) -> str:
    """A short table for a terminal."""
    names = summary.headline_names(rows)
    narrow = [name for name in names if name in {MEAN, ACCURACY} or "/" in name]
    titles = ["mean" if name == MEAN else heading(name) for name in narrow]
    lines = [
        f"{'recipe':<46}{'eps':>5} {'runs':>5} {'tried':>9}  " + "".join(f"{each:>15}" for each in titles)
    ]
    for row in rows:
        epsilon = "none" if row.recipe.epsilon is None else f"{row.recipe.epsilon:g}"
        runs = f"{len(row.results)}/{row.wanted}"
        line = f"{row.recipe.title[:45]:<46}{epsilon:>5} {runs:>5} {row.tried:>9}  "
        if not row.results:
            lines.append(line + f"  missing: {row.missing}")
            continue
        for name in narrow:
            figure = row.figures.get(name)
            spread = "" if figure is None or figure.deviation is None else f"±{figure.deviation:.3f}"
            line += f"{'-' if figure is None else f'{figure.value:.3f}{spread}':>15}"
        mark = f"  GPU {row.gpu}" if row.gpu.startswith(("NOT", "QUICK")) else ""
        lines.append(line + mark)
    return "\n".join([*lines, f"intervals, times, memory, differences: {folder / 'comparison.md'}"])


def write(
    folder: Path,
    found: Sequence[Result],
    missing: Mapping[tuple[str, int], str],
    seeds: int,
    *,
    html: bool,
) -> str:
    """Write ``comparison.md``, ``.json`` and perhaps ``.html``; returns the short table."""
    rows = summary.table(found, {**results.failures(folder), **missing}, seeds, RECIPES)
    gone = summary.differences(rows)
    results.write(folder / "comparison.md", markdown(rows, gone, found))
    results.write(folder / "comparison.json", json.dumps(as_json(rows, gone, found), indent=2) + "\n")
    if html:
        from trainer.comparison import page

        results.write(folder / "comparison.html", page.page(rows, gone, found))
    return text(rows, folder)
