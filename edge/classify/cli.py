"""`edge build-engine`: compile the bundle's FP16 network for this machine's GPU."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.settings import DEFAULT_PATH


def _build(args: argparse.Namespace) -> int:
    from datetime import datetime, timezone

    from edge.classify import engine_build
    from edge.classify.classifier import ModelError
    from edge.classify.golden import check_golden
    from edge.classify.tensorrt import TensorRtClassifier
    from edge.imaging.bundle import Bundle, BundleError
    from edge.settings import SettingsError, load

    try:
        model = load(args.settings).model
        bundle = Bundle.load(model.bundle, model.trusted_root, datetime.now(timezone.utc))
        trt, cuda = engine_build.import_tensorrt(), engine_build.import_cuda()
        key = engine_build.engine_key(bundle, trt, cuda)
        path = model.engine_cache / key.file_name
        if path.is_file() and not args.force:
            print(f"{path} is there already")
            return 0
        engine = engine_build.build_engine(bundle.read_model("fp16"), trt)
        classifier = TensorRtClassifier(engine, bundle, trt, cuda)
        try:
            # An engine that computes something else is never stored.
            difference = check_golden(classifier, bundle)
        finally:
            classifier.close()
        path = engine_build.store_engine(model.engine_cache, key, engine)
    except (BundleError, ModelError, SettingsError, OSError) as error:
        print(f"edge build-engine: {error}", file=sys.stderr)
        return 1
    print(f"{path}: {len(engine)} bytes, largest difference from the reference {difference:.4f}")
    return 0


def add_commands(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this room's commands."""
    parser = sub.add_parser("build-engine", help="compile the network for this machine's GPU (TensorRT)")
    parser.add_argument("--settings", type=Path, default=DEFAULT_PATH, help="settings file of the box")
    parser.add_argument("--force", action="store_true", help="build again even if the engine is cached")
    parser.set_defaults(run=_build)
