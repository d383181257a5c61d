"""Axial sections of a thorax by computed tomography, seen through a lung window."""
