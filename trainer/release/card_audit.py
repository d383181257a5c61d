"""What a model card says of audits: that they were made, whether the claim stood, and public figures.

An audit attacks with the training images themselves, so its bounds, like any figure of these images, are a
release that epsilon does not cover. Of private images the card therefore tells what it cannot do without:
whether an attack contradicted the claim, and whether the audit caught what was broken on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.data import sources
from trainer.training.audit_note import AuditNote
from trainer.training.run_record import RunRecord

NONE = "Not audited."


def audit_lines(record: RunRecord, audits: Sequence[AuditNote]) -> Iterator[str]:
    """Markdown lines: every audit in a sentence, the bounds of the last one whose images are published."""
    if not audits:
        yield NONE
        return
    yield from (f"- {_sentence(each)}" for each in audits)
    private = sources.PRIVATE in record.data.get("sets", {sources.PRIVATE: {}})
    shown = [each for each in audits if each.published and each.bounds]
    yield ""
    if private or not shown:
        yield (
            "Figures of an audit are made from the training images without noise. Those of private images "
            "stay on the workstation."
        )
        return
    last = shown[-1]
    yield f"Attacks of the audit of {last.made}, bounds and intervals at 95 %, each for itself:"
    yield ""
    yield "| attack | claimed epsilon | lower bound | AUC |"
    yield "|---|---|---|---|"
    for each in last.bounds:
        proved = "none can be had" if each.proved is None else f"{each.proved:.2f}"
        low, high = each.auc_interval
        auc = f"{each.auc:.3f} ({low:.3f} to {high:.3f})"
        yield f"| {each.what} | {each.claimed:.3f} | {proved} | {auc} |"
    yield ""
    yield "A lower bound below the claim is evidence, not proof: these attacks found no more."


def _sentence(note: AuditNote) -> str:
    size = ", a quick one, which shows little" if note.quick else ""
    verdict = "no claim was contradicted"
    if note.contradicted:
        verdict = f"THE CLAIM WAS CONTRADICTED by {', '.join(note.contradicted)}"
    caught = f"all {note.controls} mechanisms broken on purpose were caught"
    if note.missed:
        caught = "not every mechanism broken on purpose was caught, so its silence means little"
    elif not note.controls:
        caught = "nothing was broken on purpose, so its silence means little"
    return f"Audited on {note.made} with trainer {note.trainer}{size}: {verdict}; {caught}."
