"""`edge anonymize`: files and archives, by a person's hand."""
