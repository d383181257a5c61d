"""DICOM headers by PS3.15 Annex E."""
