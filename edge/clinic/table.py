"""The live table: a `View` as rich renderables."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge.clinic.receive import Tally
from edge.clinic.view import Answer, Live, Series, Study, View
from edge.messages import NOTICE, DeviceState

_BAR = 10
_NARROW = 104
"""Columns of the terminal below which probabilities are numbers without a bar."""
_SILENT_MS = 5_000
_STUDIES_SHOWN = 12


def render(
    view: View, tally: Tally, *, site: str, now_ms: int, width: int = 120, height: int = 40
) -> RenderableType:
    """Return the whole picture.

    Args:
        view: what is known.
        tally: what the receiver did.
        site: name of the clinic's site.
        now_ms: Unix milliseconds.
        width: columns of the terminal.
        height: lines of the terminal; decides how many studies fit.
    """
    bar = 0 if width < _NARROW else _BAR
    parts: list[RenderableType] = [_boxes(view.boxes.values())]
    if view.live:
        parts += [Text(), _live(view.live.values(), now_ms, bar)]
    if view.studies:
        shown = max(3, min(_STUDIES_SHOWN, height - 16 - 2 * len(view.live)))
        parts += [Text(), _studies(list(view.studies.values()), shown, bar)]
    if not view.live and not view.studies:
        parts += [Text(), Text("Waiting for the first result.", style="dim italic")]
    parts += [Text(), _books(view, tally)]
    clock = time.strftime("%H:%M:%S", time.localtime(now_ms / 1000))
    link = "[green]●[/] broker" if tally.connected else f"[red]○[/] {escape(tally.trouble) or 'connecting'}"
    return Panel(
        Group(*parts),
        title=f"[bold]{escape(site)}[/]  {link}  [dim]{clock}[/]",
        title_align="left",
        subtitle=f"[bold yellow]{NOTICE}[/]",
        box=box.ROUNDED,
        border_style="bright_black",
        padding=(1, 2),
    )


def _boxes(states: Iterable[DeviceState]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for state in sorted(states, key=lambda item: item.device):
        mark = Text("● ", style="green") if state.online else Text("○ ", style="red")
        facts = [
            "online" if state.online else "offline",
            state.engine or "no engine",
            f"spool {state.spool_rows}",
            f"inbox {state.inbox_objects}",
        ]
        text = Text(" · ".join(facts), style="default" if state.online else "dim")
        if state.quarantined:
            text.append(f" · quarantine {state.quarantined}", style="yellow")
        for source in state.sources:
            if source.state in {"failed", "blind", "latched", "unproven"}:
                why = f" ({_words(source.blind)})" if source.blind else ""
                text.append(f" · {source.name} {source.state}{why}", style="red")
        grid.add_row(mark + Text(state.device, style="bold"), text)
    return grid if grid.rows else Text("No box has told its state yet.", style="dim")


def _live(rows: Iterable[Live], now_ms: int, bar: int) -> Table:
    table = _table("Live")
    table.add_column("source", no_wrap=True, max_width=24 if bar else 17)
    table.add_column("finding", no_wrap=True)
    if bar:
        table.add_column("probability", no_wrap=True)
    for name in ("fps", "latency p50 / p99" if bar else "p50/p99 ms", "dropped" if bar else "drops"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("held back", ratio=1)
    for live in sorted(rows, key=lambda item: (item.device, item.source)):
        silent = now_ms - live.last_arrived_ms
        stale = silent > _SILENT_MS
        label, share = _answer(live.answer, bar)
        if not live.layout_known:
            label, share = Text("layout unknown", style="red"), Text()
        table.add_row(
            Text(f"{live.device}/{live.source}", style="bold"),
            Text(f"silent for {_ago(silent // 1000)}", style="red") if stale else label,
            *([Text() if stale else share] if bar else []),
            Text("-" if stale else f"{live.fps():.1f}", style="cyan"),
            _latency(live, " / " if bar else "/", " ms" if bar else ""),
            Text(f"{live.dropped}", style="yellow" if live.dropped else "dim"),
            _reasons(live.held_back),
        )
    return table


def _studies(studies: list[Study], shown: int, bar: int) -> Table:
    hidden = len(studies) - shown
    table = _table("Studies" + (f"  [dim]newest {shown} of {len(studies)}[/]" if hidden > 0 else ""))
    table.add_column("study", no_wrap=True)
    table.add_column("series", no_wrap=True)
    table.add_column("finding", no_wrap=True)
    table.add_column("probability" if bar else "prob.", no_wrap=True)
    table.add_column("objects", justify="right", no_wrap=True)
    if bar:
        table.add_column("frames", ratio=1)
    table.add_column("held back", ratio=1)
    for study in reversed(studies[-shown:]):
        for number, series in enumerate(study.series.values()):
            label, share = _answer(series.answer(), bar)
            name = Text(study.handle.hex()[:8], style="bold magenta") if number == 0 else Text()
            kind = " ".join(word for word in (series.modality, series.body_part.lower()) if word)
            frames = [_frames(series)] if bar else []
            table.add_row(
                name,
                Text(kind or "unknown kind", style="default" if kind else "dim"),
                label,
                share,
                str(max(series.objects, series.whole.objects if series.whole else 0)),
                *frames,
                _reasons(series.held_back),
            )
    return table


def _frames(series: Series) -> Text:
    """How many frames made the answer, and whether the series is closed."""
    whole = series.whole
    if whole:
        text = Text(f"{whole.frames_used} used", style="default")
        if whole.frames_abstained:
            text.append(f", {whole.frames_abstained} abstained", style="yellow")
        return text
    named = ", ".join(f"{count} {_words(label)}" for label, count in series.answers.most_common(3))
    text = Text(named)
    if series.abstained:
        text.append((", " if named else "") + f"{series.abstained.total()} abstained", style="yellow")
    return text.append(" …", style="dim") if text else Text("…", style="dim")


def _books(view: View, tally: Tally) -> RenderableType:
    """The receiver's own account: nothing twice, nothing lost without a name."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    kept = Text()
    kept.append(f"{sum(view.results.values())}", style="bold green")
    kept.append(f" kept · {tally.duplicates} came again and counted once")
    grid.add_row("results", kept)
    if tally.missing:
        holes = [
            f"{device}/{stream}: {', '.join(_interval(*hole) for hole in missing[:4])}"
            for (device, stream, _), missing in sorted(tally.missing.items())
        ]
        grid.add_row("awaited", Text("; ".join(holes), style="yellow"))
    if view.lost:
        lost = [f"{count} of {stream} ({_words(why)})" for (stream, why), count in sorted(view.lost.items())]
        grid.add_row("given up", Text("by the box: " + "; ".join(lost), style="red"))
    if tally.refused:
        grid.add_row("refused", _reasons(tally.refused, style="red"))
    return grid


def _answer(answer: Answer | None, bar: int) -> tuple[Text, Text]:
    if answer is None:
        return Text("held back", style="dim"), Text("-", style="dim")
    if answer.label is None:
        words = f"abstained: {_words(answer.abstained or 'unsure')}"
        return Text(words, style="yellow"), _share(answer.probability, "yellow", bar)
    return Text(_words(answer.label), style="bold green"), _share(answer.probability, "green", bar)


def _share(share: float, colour: str, width: int) -> Text:
    full = round(max(0.0, min(1.0, share)) * width)
    bar = Text("━" * full, style=colour)
    bar.append("━" * (width - full), style="bright_black")
    return bar.append(f"{' ' if width else ''}{share:.2f}", style="default")


def _latency(live: Live, between: str, unit: str) -> Text:
    p50, p99 = live.latency_ms(50), live.latency_ms(99)
    if p50 is None or p99 is None:
        return Text("-", style="dim")
    return Text(f"{p50:.0f}{between}{p99:.0f}{unit}")


def _reasons(counts: Mapping[str, int], style: str = "yellow") -> Text:
    if not counts:
        return Text("-", style="dim")
    most = Counter(counts).most_common(4)
    return Text(", ".join(f"{count} {_words(reason)}" for reason, count in most), style=style)


def _interval(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _ago(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="dim",
        border_style="bright_black",
        expand=True,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
