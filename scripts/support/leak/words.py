"""What is burned in: invented patients in six scripts, as the labels of scanners write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Vocabulary:
    """Parts of a label in one script."""

    families: tuple[str, ...]
    given: tuple[str, ...]
    name: str
    """The word before a name."""
    born: str
    ward: str


VOCABULARIES = {
    "latin": Vocabulary(
        ("ZEBROWSKA", "Quixano", "MÜLLER", "O'Brannagh", "Lindqvist", "FERNÁNDEZ", "Szabó", "Tremblay"),
        ("Anna", "DON", "Jürgen", "Siobhán", "Erik", "LUCÍA", "Béla", "Noémie"), "Name", "DOB", "Ward"),
    "cyrillic": Vocabulary(
        ("ЩЕРБАКОВА", "Иванов", "Жданенко", "ПЕТРОВИЋ", "Цветков", "Шевчук", "ФЁДОРОВ", "Юрьева"),
        ("Анна", "ПЁТР", "Людмила", "Милош", "Живко", "Оксана", "Борис", "Дарья"), "Пациент", "Дата рожд.",
        "Палата"),
    "greek": Vocabulary(
        ("ΠΑΠΑΔΟΠΟΎΛΟΥ", "Ξενάκης", "Θεοδώρου", "ΓΕΩΡΓΊΟΥ", "Ψαρρός", "Λαμπρίδη", "Δημητρίου", "Ζώης"),
        ("Άννα", "ΚΩΝΣΤΑΝΤΊΝΟΣ", "Ελένη", "Σπύρος", "Φωτεινή", "Ηλίας", "Χλόη", "Ωραία"), "Ασθενής",
        "Γέννηση", "Θάλαμος"),
    "arabic": Vocabulary(
        ("المنصوري", "القحطاني", "بن يوسف", "الحسيني", "شريف", "الدوسري", "خليل", "النجار"),
        ("فاطمة", "محمد", "عائشة", "عبد الرحمن", "ليلى", "يوسف", "زينب", "حسن"), "المريض", "تاريخ الميلاد",
        "القسم"),
    "devanagari": Vocabulary(
        ("शर्मा", "श्रीवास्तव", "देशपाण्डे", "चतुर्वेदी", "पाटील", "त्रिपाठी", "कुलकर्णी", "ठाकुर"),
        ("अनिता", "राजेश", "लक्ष्मी", "विष्णु", "प्रियंका", "सुरेश", "मीनाक्षी", "कृष्ण"), "रोगी", "जन्म तिथि", "वार्ड"),
    "cjk": Vocabulary(
        ("王", "山田", "欧阳", "김", "佐々木", "諸葛", "渡辺", "박"),
        ("小东", "太郎", "美玲", "민준", "花子", "志强", "さくら", "서연"), "姓名", "出生日期", "病房"),
}  # fmt: skip
_EASTERN = {"arabic": "٠١٢٣٤٥٦٧٨٩", "devanagari": "०१२३४५६७८९"}


@dataclass(frozen=True)
class Patient:
    """One invented person."""

    family: str
    given: str
    number: str
    born: str
    """YYYYMMDD."""
    script: str

    def lines(self, rng: np.random.Generator, most: int) -> list[str]:
        """Lines of a label, the name first, each with something of the person."""
        words = VOCABULARIES[self.script]
        born = f"{self.born[6:]}.{self.born[4:6]}.{self.born[:4]}"
        if self.script == "cjk":
            born = f"{self.born[:4]}年{self.born[4:6]}月{self.born[6:]}日"
        elif self.script in _EASTERN and rng.random() < 0.5:
            born = born.translate(str.maketrans("0123456789", _EASTERN[self.script]))
        gap = "" if self.script == "cjk" else " "
        name = (f"{self.family}{gap}{self.given}", f"{words.name}: {self.family}{gap}{self.given}",
                f"{self.family}, {self.given}")[int(rng.integers(3))]  # fmt: skip
        rest = [f"{words.born} {born}", f"{words.ward} {self.family}", f"ID {self.number}",
                f"{self.given} {born}"]  # fmt: skip
        return [name, *(rest[i] for i in rng.permutation(len(rest)))][:most]


def patient(script: str, rng: np.random.Generator) -> Patient:
    """Somebody who does not exist."""
    words = VOCABULARIES[script]

    def any_of(choices: tuple[str, ...]) -> str:
        return choices[int(rng.integers(len(choices)))]

    born = f"{rng.integers(1920, 2020)}{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}"
    return Patient(any_of(words.families), any_of(words.given), str(rng.integers(10**6, 10**9)), born, script)


DEVICE: tuple[Callable[[np.random.Generator], str], ...] = (
    lambda rng: f"{rng.integers(70, 140)} kV {rng.integers(50, 400)} mAs",
    lambda rng: f"SL {rng.integers(1, 9)}.0 mm",
    lambda rng: f"W {rng.integers(200, 2000)} C {rng.integers(-50, 400)}",
    lambda rng: f"TIS 0.{rng.integers(1, 9)} MI 0.{rng.integers(1, 9)}",
)
"""Text that says nothing of a person: drawn, never judged."""
