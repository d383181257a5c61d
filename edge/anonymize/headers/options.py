"""The profile's options (PS3.15 E.3) and how an object says which of them were applied (CID 7050)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

EDITION = "PS3.15 2026c"
_BASIC = ("113100", "Basic Application Confidentiality Profile")


class UnknownOptionError(ValueError):
    """A name of no option. The message lists the names."""


@dataclass(frozen=True)
class Options:
    """Which options are in force beside the Basic Profile. What cleans is on, what retains is off."""

    clean_pixel_data: bool = True
    """E.3.1. The caller has cleaned the pixels; here it is recorded."""
    clean_recognizable_visual_features: bool = False
    """E.3.2. The caller has removed faces from the pixels; here it is recorded."""
    clean_graphics: bool = True
    """E.3.3. Geometry of annotations stays; without it annotations go."""
    clean_structured_content: bool = True
    """E.3.4. Content trees are kept and cleaned; without it they go."""
    clean_descriptors: bool = True
    """E.3.5. Words of the vocabulary stay in free text; without it free text goes."""
    modified_dates: bool = True
    """E.3.6, Retain Longitudinal Temporal Information with Modified Dates; without it dates go."""
    retain_patient_characteristics: bool = False
    """E.3.7. Age (90 and more as 90), sex, size, weight and the like."""
    retain_device_identity: bool = False
    """E.3.8. Serial numbers and names of devices."""
    retain_uids: bool = False
    """E.3.9."""
    retain_safe_private: bool = False
    """E.3.10. Private attributes of Table E.3.10-1."""
    retain_institution: bool = False
    """E.3.11. Name and address of the institution."""

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Options:
        """The defaults, changed by names such as ``retain-uids`` or ``no-retain-modified-dates``.

        Raises:
            UnknownOptionError: a name that `option_names` does not list.
        """
        known = {name: field for field, (name, _, _) in _OPTIONS.items()}
        changed: dict[str, bool] = {}
        for name in names:
            field = known.get(name.removeprefix("no-"))
            if field is None:
                listed = ", ".join(known)
                raise UnknownOptionError(
                    f"no such option; choose from {listed}; with no- before it, one is switched off"
                )
            changed[field] = not name.startswith("no-")
        return replace(cls(), **changed)

    def method(self) -> list[str]:
        """De-identification Method (0012,0063): the edition and each option in words."""
        applied = [text.removesuffix(" Option") for _, text in self._applied()]
        return [f"{EDITION} Basic Profile", *(text.replace(_LONG, "Retain Longitudinal") for text in applied)]

    def codes(self) -> Sequence:
        """De-identification Method Code Sequence (0012,0064), PS3.16 CID 7050."""
        items = []
        for value, meaning in (_BASIC, *self._applied()):
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
            items.append(item)
        return Sequence(items)

    def _applied(self) -> list[tuple[str, str]]:
        on = (field.name for field in fields(self) if getattr(self, field.name))
        return sorted(_OPTIONS[name][1:] for name in on)


_LONG = "Retain Longitudinal Temporal Information"
_OPTIONS: dict[str, tuple[str, str, str]] = {
    "clean_pixel_data": ("clean-pixel-data", "113101", "Clean Pixel Data Option"),
    "clean_recognizable_visual_features": (
        "clean-recognizable-visual-features",
        "113102",
        "Clean Recognizable Visual Features Option",
    ),
    "clean_graphics": ("clean-graphics", "113103", "Clean Graphics Option"),
    "clean_structured_content": (
        "clean-structured-content",
        "113104",
        "Clean Structured Content Option",
    ),
    "clean_descriptors": ("clean-descriptors", "113105", "Clean Descriptors Option"),
    "modified_dates": ("retain-modified-dates", "113107", f"{_LONG} Modified Dates Option"),
    "retain_patient_characteristics": (
        "retain-patient-characteristics",
        "113108",
        "Retain Patient Characteristics Option",
    ),
    "retain_device_identity": (
        "retain-device-identity",
        "113109",
        "Retain Device Identity Option",
    ),
    "retain_uids": ("retain-uids", "113110", "Retain UIDs Option"),
    "retain_safe_private": ("retain-safe-private", "113111", "Retain Safe Private Option"),
    "retain_institution": (
        "retain-institution",
        "113112",
        "Retain Institution Identity Option",
    ),
}
"""Field of `Options`: name on the command line, code of CID 7050 and its meaning."""


def option_names() -> tuple[str, ...]:
    """The names that `Options.from_names` takes."""
    return tuple(name for name, _, _ in _OPTIONS.values())
