"""Screens of scanners without a DICOM header: what of them is image, and whether they still look the same."""
