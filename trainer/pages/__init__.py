"""What all reports are made of: parts of a page, the look of a plot. Pages stay on the workstation."""
