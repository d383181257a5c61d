"""``python -m trainer``: the command ``trainer``, for launchers that take a module."""

from __future__ import annotations

from trainer.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
