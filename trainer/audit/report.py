"""What an audit found, as sentences and tables: the claim beside what attacks prove."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.audit.one_run import INTACT
from trainer.audit.result import MEANS, Canaries, Result
from trainer.audit.roc import FALSE_POSITIVE_RATES, Attack

STAYS = (
    "This audit was made from private images and is not covered by epsilon: keep it on the workstation, "
    "publish nothing of it but this table, and that only after a second look. Of private images the model "
    "card tells that it was made and whether the claim stood, and no figure."
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
ATTACKS = {
    "online": "likelihood ratios, online",
    "offline": "likelihood ratios, offline",
    "threshold": "confidence alone",
}
ON_BOUNDS = (
    "Intervals and lower bounds are at 95 %, each for itself. Thresholds were chosen on other trials than"
    " those judged. A mechanism marked as broken keeps its claim: its bound has to exceed it. A lower "
    "bound rests on the count of right guesses, which holds for every mechanism in one run; on a Gaussian"
    " curve only where each release takes all units; on error rates with Clopper-Pearson limits only "
    "where trials are independent. Verdicts rest on it alone. The indication takes every bound whether "
    "its conditions are met or not: it says where to look, and decides nothing."
)
ON_INVERSION = (
    "A picture that looks like its class is no leak; one that is nearer to images trained on than to others "
    "of the class is. An interval that holds 0.5 shows none. It does not show that no better attack exists; "
    "and the others come from other patients, so a difference of the splits can look like a leak."
)


def findings(result: Result) -> list[str]:
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
    return said


def rows(result: Result) -> list[tuple[str, ...]]:
    """The table: the claim beside what attacks prove, and the networks without DP as contrast."""
    made = [
        _row(membership_title(each.subject, name), each.claimed, attack)
        for each in result.membership
        for name, attack in each.attacks.items()
    ]
    made += [_row(_title(each), each.claimed, each.attack) for each in result.canaries]
    return made


def membership_title(subject: str, attack: str) -> str:
    """Of the row of an attack. Each has its own: one chosen by its result would be told as too strong."""
    return f"membership: {subject} ({ATTACKS[attack]})"


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
    parts += [*result.notes, *findings(result), EVIDENCE, STAYS, f"{result.seconds:.0f} s"]
    return "\n\n".join(parts)


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
