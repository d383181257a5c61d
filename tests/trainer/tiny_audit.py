"""The least audit that goes through every attack: seconds, and shows nothing."""

from __future__ import annotations

from trainer.audit import material

TINY = material.Size(
    shadows=4,
    targets=2,
    canaries=600,
    head_canaries=200,
    image_canaries=120,  # a quarter chooses: coins that all fall alike are out of the question
    small_images=40,
    small_shadows=4,
    small_targets=2,
    small_steps=8,
    inversion=material.Effort(restarts=1, steps=1, compared=2, memorised=4, memorised_steps=30),
)
