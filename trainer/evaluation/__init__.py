"""What a model is worth: figures with intervals, calibration, robustness, reports."""
