"""The model card: what a reader must know, generated from the run and from an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edge.messages import NOTICE
from trainer.data import sources
from trainer.release.card_audit import audit_lines
from trainer.release.card_figures import figure_lines
from trainer.training.audit_note import AuditNote
from trainer.training.run_record import BY_RULE, RunRecord


def model_card(record: RunRecord, figures: dict[str, Any] | None, audits: Sequence[AuditNote] = ()) -> str:
    """Markdown text.

    Args:
        record: the run.
        figures: JSON of ``trainer evaluate``; None says that there are none.
        audits: what ``trainer audit`` left beside the run.
    """
    lines = [f"# {record.name}", "", f"**{NOTICE.capitalize()}.** Made {record.made}.", ""]
    lines += ["## What it is for", "", *_uses(record), ""]
    lines += ["## Privacy of the training images", "", *_privacy(record), ""]
    lines += ["## Audit", "", *audit_lines(record, audits), ""]
    lines += ["## Training", "", *_training(record)]
    lines += [f"- preprocessing: {record.preprocess}", ""]
    lines += ["## Data", "", *_data(record), ""]
    lines += ["## Figures", ""]
    if figures is None:
        lines.append("Not evaluated. Do not rely on this model for anything.")
    else:
        lines += figure_lines(figures)
    return "\n".join(lines) + "\n"


def _uses(record: RunRecord) -> Iterator[str]:
    for use in record.intended_use:
        names = ", ".join(each.name for each in record.classes if each.group == use.group)
        views = ", ".join(view or "not stated" for view in use.views)
        modalities, parts = ", ".join(use.modalities), ", ".join(use.body_parts)
        yield f"- `{use.group}`: modality {modalities}; body part {parts}; view {views}. Classes: {names}."
    yield ""
    yield "The box holds back what its header says is anything else."
    yield f"Abstention: {record.threshold_rule}."


def _privacy(record: RunRecord) -> Iterator[str]:
    privacy = record.privacy
    more = privacy.model_extra or {}
    if privacy.mode == "research":
        public = (more.get("ledger") or {}).get("public")
        name = f" ({public})" if public else ""
        yield f"**A research run on a public benchmark{name}: no ledger limited it, and it is no release.**"
        yield ""
    yield f"- epsilon {_number(privacy.epsilon)} at delta {privacy.delta}; unit: one {privacy.unit}"
    yield f"- adjacency: {privacy.adjacency}"
    yield f"- mechanism: {privacy.mechanism}"
    yield f"- sampling: {privacy.sampling}; rate {privacy.sampling_rate}; {privacy.steps} steps"
    yield f"- noise multiplier {privacy.noise_multiplier:.4f}; clipping norm {privacy.clip}"
    exact = more.get("epsilon_gaussian_dp")
    yield (
        f"- accountant: {privacy.accountant}; cross-check by PRV: {_number(privacy.epsilon_cross_check)}"
        + (f"; exact by Gaussian DP: {_number(exact)}" if exact is not None else "")
    )
    if more.get("group_epsilon"):
        groups = (f"{size} together {value:.1f}" for size, value in more["group_epsilon"].items())
        yield f"- group privacy, same delta: {', '.join(groups)}"
    if more.get("records_per_unit", 1) > 1:
        yield f"- at most {more['records_per_unit']} images of a unit were used"
    yield f"- records: {privacy.records}, treated as public; noise: {privacy.noise_source}"
    yield f"- tuned: {privacy.tuned}; cost of tuning: {privacy.tuning_cost}"
    if "ledger" in more:
        yield f"- ledger: {_ledger(more['ledger'])}"
    yield f"- not covered: {privacy.not_covered}"


def _ledger(ledger: dict[str, Any]) -> str:
    text = f"run {ledger['run']} of ledger {ledger['id']}"
    if "budget" in ledger:
        budget = ledger["budget"]
        text += (
            f"; with it, and up to this export, {ledger['release_runs']} release run(s) on these images "
            f"spent epsilon {ledger['epsilon_spent']:.4f} together, of a budget of {budget['epsilon']:g} "
            f"at delta {budget['delta']:g}"
        )
    for reason in ledger.get("budget_raised", []):
        text += f"; the budget was raised: {reason}"
    for reason in ledger.get("recorded_afterwards", []):
        text += f"; recorded afterwards: {reason}"
    for reason in ledger.get("other_ledgers", []):
        text += f"; charged beside other ledgers: {reason}"
    return f"{text}; research runs on the same images: {ledger['research_runs']}"


def _training(record: RunRecord) -> Iterator[str]:
    by_rule = record.training.get(BY_RULE, ())
    for name, value in record.training.items():
        if name != BY_RULE and value != "":
            how = " (follows from the noise and the number of units)" if name in by_rule else ""
            yield f"- {name}: {value}{how}"


def _data(record: RunRecord) -> Iterator[str]:
    data = record.data
    counts = ", ".join(f"{name} {count}" for name, count in data.get("images_per_class", {}).items())
    splits = ", ".join(data.get("splits", [])) or "none"
    groups = f" of {data['groups']} groups" if "groups" in data else ""
    images = f"{data['images']} images" if "images" in data else "Images, whose number is not told"
    yield f"{images}{groups}, split {splits}{'; ' if counts else ''}{counts}."
    yield ""
    sets = data.get("sets", {})
    for name in sorted(set(sets) & set(sources.KNOWN)):
        yield f"- `{name}`: " + " ".join(f"{key}: {value}." for key, value in sets[name].items())
    # Runs of earlier versions name folders here, and a folder may be called after a patient.
    if set(sets) - set(sources.KNOWN):
        yield f"- {sources.PRIVATE}, licence {sources.UNKNOWN}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
