"""DICOM headers by PS3.15 Annex E: the Basic Profile and its options, recursively.

What Table E.1-1 lists is treated as `profile` resolves it; what it does not list is judged by its VR
(`by_vr`, `values`): numbers and code strings stay if they are what their VR says, free text keeps the
words of the vocabulary, bytes go unless they are pixels or look-up tables, private attributes go unless
known safe and asked for, UIDs are replaced, dates are shifted or removed. Every value that stays is
searched for the words that name somebody in the original.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from io import BytesIO

from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from edge.anonymize.headers.attributes import Attributes
from edge.anonymize.headers.characteristics import age_at_study
from edge.anonymize.headers.encoded import encode, raw_element
from edge.anonymize.headers.identity import naming_words, patient_of, words_left
from edge.anonymize.headers.options import Options
from edge.anonymize.headers.remap import Remap

__all__ = ["METHOD", "Options", "clean", "foreign", "naming_words", "patient_of", "words_left"]

METHOD = Options().method()[0]

_CLAIMS = ("BurnedInAnnotation", "RecognizableVisualFeatures")
"""What an object says of its pixels is neither believed nor passed on; what was done to them is said."""
_OWN = (
    *("PatientName", "PatientID", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", *_CLAIMS),
)


def clean(dataset: Dataset, remap: Remap, options: Options) -> None:
    """De-identify ``dataset`` in place, recursively. Pixel Data is not looked at.

    Args:
        dataset: without file meta information.
        remap: replacements for this patient.
        options: those of the profile that are in force. Those about pixels are recorded, not done.
    """
    years = age_at_study(dataset) if options.retain_patient_characteristics else None
    names = naming_words(dataset, options)
    for keyword in _CLAIMS:
        if keyword in dataset:
            del dataset[keyword]
    Attributes(remap, options, names).clean(dataset)
    is_image = "Rows" in dataset
    done = replace(
        options,
        clean_pixel_data=options.clean_pixel_data and is_image,
        clean_recognizable_visual_features=options.clean_recognizable_visual_features and is_image,
    )
    pseudonym = remap.pseudonym().encode()
    own = {0x00100010: ("PN", pseudonym), 0x00100020: ("LO", pseudonym), **_statements(done)}
    if years is not None:
        own[0x00101010] = ("AS", years.encode())
    for tag, (vr, value) in own.items():
        dataset[tag] = raw_element(tag, vr, value)
    if dataset.original_encoding[0] is True:  # pydicom would copy the explicit VRs of the items as they are
        dataset.DeidentificationMethodCodeSequence = done.codes()


@lru_cache(maxsize=32)
def _statements(options: Options) -> dict[int, tuple[str, bytes]]:
    """What a cleaned object says of its cleaning (PS3.15 E.1.1 item 6, E.3.1, E.3.2, E.3.6), encoded."""
    said = Dataset()
    said.PatientIdentityRemoved = "YES"
    said.DeidentificationMethod = options.method()
    said.DeidentificationMethodCodeSequence = options.codes()
    said.LongitudinalTemporalInformationModified = "MODIFIED" if options.modified_dates else "REMOVED"
    if options.clean_pixel_data:
        said.BurnedInAnnotation = "NO"
    if options.clean_recognizable_visual_features:
        said.RecognizableVisualFeatures = "NO"
    encoded = dcmread(BytesIO(encode(said)), force=True)
    return {int(item.tag): (str(item.VR), bytes(item.value or b"")) for item in encoded.elements()}


def foreign(dataset: Dataset) -> Dataset:
    """What `clean` left of the original: ``dataset`` without what `clean` itself wrote into it.

    Its own text may hold the same words as a name, such as Profile or Pixel.
    """
    result = Dataset()
    for tag, item in dataset.items():
        if keyword_for_tag(tag) not in _OWN:
            result[tag] = item
    return result
