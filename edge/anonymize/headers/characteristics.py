"""Characteristics of the patient that an option retains (PS3.15 E.3.7): the age at the study.

The birth date itself is never kept and never shifted.
"""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset

from edge.anonymize.headers.values import age


def age_at_study(dataset: Dataset) -> str | None:
    """Patient's Age in years, 90 and more as 90; None if the object tells neither age nor birth date."""
    stated = age(str(dataset.get("PatientAge", "") or ""))
    if stated:
        return stated
    dates = []
    for keyword in ("PatientBirthDate", "StudyDate"):
        try:
            dates.append(datetime.strptime(str(dataset.get(keyword, "") or ""), "%Y%m%d"))  # noqa: DTZ007
        except ValueError:
            return None
    birth, study = dates
    years = study.year - birth.year - ((study.month, study.day) < (birth.month, birth.day))
    return age(f"{years:03}Y") if 0 <= years < 1000 else None
