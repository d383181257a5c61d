"""The report for a doctor: one self-contained page without script and without outside resources.

Plain words first, then what the model cannot do, then tables and plots. It shows no patient's image.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from edge.messages import NOTICE
from trainer.evaluation import plots, privacy_words, words
from trainer.evaluation.page_sections import sections
from trainer.pages.parts import bullets, document, dots, figure, paragraph, table, value

WEAK = 0.7
"""Below this share of right labels a class's card is marked."""


def page(result: dict[str, Any]) -> str:
    """HTML of what `trainer.evaluation.evaluate.evaluate` gave."""
    title = f"How well does {result['bundle_name']}, version {result['bundle_version']}, work?"
    return document(title, _body(title, result))


def _body(title: str, result: dict[str, Any]) -> Iterator[str]:
    yield f"<header><h1>{escape(title)}</h1>"
    yield paragraph(
        f"Network made {result['bundle_made']}; judged on the split {result['split']!r}.", "about"
    )
    yield "</header><main>"
    yield paragraph(f"{NOTICE[0].upper()}{NOTICE[1:]}.", "notice")
    yield "<h2>In plain words</h2>"
    yield "".join(paragraph(text, "lead") for text in words.summary(result))
    yield '<div class="cards">' + "".join(_card(*each, result) for each in words.classes(result)) + "</div>"
    yield paragraph(
        "Each mark is one of 100 images of the class: a filled dot for the right label, a cross for a wrong "
        "one, an empty dot for none.",
        "small",
    )
    if result["privacy_mode"] == "research":
        yield paragraph("A research run, no release.", "notice")
    yield "".join(paragraph(text, "privacy") for text in privacy_words.privacy(result))
    yield "<h2>What it cannot do</h2>" + bullets(words.limits(result))
    yield "<h2>Main figures</h2>" + _main(result)
    yield figure(
        plots.modalities(result),
        "Balanced accuracy by modality beside the shortcut probe",
        "Balanced accuracy within each kind of image, forced to answer, and what brightness and sharpness "
        "alone reach. Where the two come near, the model may have learned the scanner rather than the "
        "disease.",
    )
    yield from sections(result)
    yield "</main>"


def _card(modality: str, label: str, sentence: str, result: dict[str, Any]) -> str:
    part = result["per_modality"][modality]["per_class"][label]
    share, (low, high) = part["sensitivity_as_shown"], part["sensitivity_as_shown_interval"]
    right, wrong, _ = words.of_hundred(*(part["as_shown"][name] for name in ("right", "wrong", "no_label")))
    weak = " weak" if share < WEAK else ""
    few = " Few patients: no evidence." if result["per_modality"][modality]["evidence"] else ""
    return (
        f'<div class="card{weak}"><b>{escape(words.name_of(label).short)}</b>'
        f'<span class="many">{right} of 100'
        f"<small>{100 * low:.0f} to {100 * high:.0f}</small></span>"
        f"{dots(right, wrong, sentence)}<p>{escape(sentence + few)}</p></div>"
    )


def _main(result: dict[str, Any]) -> str:
    rows = [
        ("As the device shows it: right label", value(result["as_shown"], "right")),
        ("As the device shows it: wrong label", value(result["as_shown"], "wrong")),
        ("As the device shows it: no label", value(result["as_shown"], "no_label")),
        *(
            (f"{words.kind(result, modality)}: no label", value(part, "abstained"))
            for modality, part in result["per_modality"].items()
        ),
        ("Of all images, no label: unsure", value(result["as_shown"], "no_label_unsure")),
        (
            "Of all images, no label: does not look like its kind",
            value(result["as_shown"], "no_label_unlike_its_kind"),
        ),
        ("Right, of the labels that it shows", value(result, "accuracy_where_labelled")),
        ("Accuracy, kind of image known, forced to answer", value(result, "accuracy")),
        (
            "Mean of the balanced accuracies within each kind of image, forced",
            value(result, "mean_within_modality_balanced_accuracy"),
        ),
        ("The same, kinds with enough patients only", value(result, "mean_of_modalities_with_evidence")),
        ("Macro F1", value(result, "macro_f1")),
        ("Accuracy among all classes, kind of image not known", value(result, "accuracy_modality_unknown")),
        ("Expected calibration error", value(result, "expected_calibration_error")),
        ("Brier score (0 is best, 2 is worst)", value(result, "brier")),
    ]
    return table(("figure", "value (95 % interval)"), rows)
