"""The bundle: what is altered, mixed up, unsigned or without a privacy statement is refused."""

from __future__ import annotations

import io
import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from edge.imaging import preprocess
from edge.imaging.bundle import REQUIRED, Bundle, BundleError

SHIPPED = Path(__file__).resolve().parents[2] / "firmware_config"
ROLES = ("root", "targets", "snapshot", "timestamp")
NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)

SPEC = {
    "format": 1,
    "name": "test",
    "made": "2029-12-31T00:00:00Z",
    "preprocess": preprocess.NAME,
    "classes": [{"name": "a", "group": "g"}, {"name": "b", "group": "g"}],
    "intended_use": [{"group": "g", "modalities": ["MR"], "body_parts": ["BRAIN"], "views": [""]}],
    "temperature": {"g": 1.0},
    "min_probability": {"g": 0.5},
    "golden_tolerance": {"fp32": 0.001, "fp16": 0.05},
}
PRIVACY = {
    "mechanism": "m",
    "epsilon": 2.0,
    "delta": 1e-5,
    "unit": "image",
    "adjacency": "add or remove one image",
    "sampling": "Poisson",
    "sampling_rate": 0.25,
    "noise_multiplier": 7.0,
    "clip": 1.0,
    "steps": 200,
    "accountant": "PLD",
    "epsilon_cross_check": 2.01,
    "records": 100,
    "records_public": True,
    "noise_source": "os",
    "tuned": "nothing",
    "tuning_cost": "none",
    "not_covered": "patients",
}


class Releaser:
    """A second, independent signer: not the trainer's code."""

    def __init__(self) -> None:
        self.keys = {role: CryptoSigner(Ed25519PrivateKey.generate()) for role in ROLES}
        root = Root(expires=NOW + timedelta(days=3650), consistent_snapshot=False)
        for role, signer in self.keys.items():
            root.add_key(signer.public_key, role)
        self.root = self.signed(root, "root")

    def signed(self, payload: Root | Targets | Snapshot | Timestamp, role: str) -> bytes:
        metadata = Metadata(payload)
        metadata.sign(self.keys[role])
        return metadata.to_bytes()

    def sign(self, bundle: Path, version: int = 1, expires: datetime = NOW + timedelta(days=30)) -> None:
        out = bundle / "metadata"
        out.mkdir(exist_ok=True)
        targets = Targets(version=version, expires=expires)
        for path in (bundle / "targets").iterdir():
            targets.targets[path.name] = TargetFile.from_file(path.name, str(path), ["sha256"])
        data = self.signed(targets, "targets")
        (out / "targets.json").write_bytes(data)
        snapshot = Snapshot(version=version, expires=expires)
        snapshot.meta["targets.json"] = MetaFile.from_data(version, data, ["sha256"])
        data = self.signed(snapshot, "snapshot")
        (out / "snapshot.json").write_bytes(data)
        stamp = Timestamp(version=version, expires=expires)
        stamp.snapshot_meta = MetaFile.from_data(version, data, ["sha256"])
        (out / "timestamp.json").write_bytes(self.signed(stamp, "timestamp"))


def golden() -> bytes:
    out = io.BytesIO()
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224), np.uint8)
    np.savez(out, images=images, logits=np.zeros((2, 2), np.float32))
    return out.getvalue()


@pytest.fixture
def releaser() -> Releaser:
    return Releaser()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    targets = tmp_path / "bundle" / "targets"
    targets.mkdir(parents=True)
    (targets / "bundle.json").write_text(json.dumps(SPEC))
    (targets / "privacy.json").write_text(json.dumps(PRIVACY))
    (targets / "golden.npz").write_bytes(golden())
    for name in ("model.fp32.onnx", "model.fp16.onnx", "MODEL_CARD.md"):
        (targets / name).write_bytes(name.encode())
    return tmp_path / "bundle"


@pytest.fixture
def bundle(files: Path, releaser: Releaser) -> tuple[Path, Path]:
    releaser.sign(files)
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    return files, root


def test_a_good_bundle_loads(bundle: tuple[Path, Path]) -> None:
    loaded = Bundle.load(*bundle, NOW)
    assert [each.name for each in loaded.classes] == ["a", "b"]
    assert loaded.privacy.epsilon == 2.0
    assert loaded.golden.inputs.shape == (2, 3, 224, 224)
    assert loaded.expired == ()
    assert len(loaded.digest) == 32
    assert loaded.read_model("fp32") == b"model.fp32.onnx"


@pytest.mark.parametrize("name", REQUIRED)
def test_any_altered_byte_is_refused(bundle: tuple[Path, Path], name: str) -> None:
    path = bundle[0] / "targets" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        Bundle.load(*bundle, NOW)


@pytest.mark.parametrize("role", ROLES[1:])
def test_altered_metadata_is_refused(bundle: tuple[Path, Path], role: str) -> None:
    path = bundle[0] / "metadata" / f"{role}.json"
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2', 1).replace(b"30", b"31", 1))
    with pytest.raises(BundleError):
        Bundle.load(*bundle, NOW)


@pytest.mark.parametrize("junk", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"signed": {"_type": "targets"}}'])
def test_metadata_of_nothing_is_refused(bundle: tuple[Path, Path], junk: bytes) -> None:
    (bundle[0] / "metadata" / "targets.json").write_bytes(junk)
    with pytest.raises(BundleError):
        Bundle.load(*bundle, NOW)


def test_without_privacy_statement_it_is_refused(files: Path, releaser: Releaser) -> None:
    (files / "targets" / "privacy.json").unlink()
    releaser.sign(files)
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    with pytest.raises(BundleError, match="privacy statement"):
        Bundle.load(files, root, NOW)


def test_a_privacy_statement_with_a_gap_is_refused(files: Path, releaser: Releaser) -> None:
    (files / "targets" / "privacy.json").write_text(
        json.dumps({name: value for name, value in PRIVACY.items() if name != "unit"})
    )
    releaser.sign(files)
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    with pytest.raises(BundleError, match="unit"):
        Bundle.load(files, root, NOW)


def test_the_bundles_own_root_is_not_trusted(bundle: tuple[Path, Path]) -> None:
    stranger = Releaser()
    stranger.sign(bundle[0])
    (bundle[0] / "metadata" / "root.json").write_bytes(stranger.root)
    with pytest.raises(BundleError, match="not signed"):
        Bundle.load(*bundle, NOW)


def test_mix_and_match_is_refused(bundle: tuple[Path, Path], releaser: Releaser, tmp_path: Path) -> None:
    """Parts of two releases, each rightly signed, do not make a bundle."""
    other = tmp_path / "other"
    shutil.copytree(bundle[0], other)
    (other / "targets" / "MODEL_CARD.md").write_text("release 2")
    releaser.sign(other, version=2)
    Bundle.load(other, bundle[1], NOW)
    for name in ("targets.json", "snapshot.json", "timestamp.json"):
        mixed = tmp_path / f"mixed-{name}"
        shutil.copytree(bundle[0], mixed)
        shutil.copy(other / "metadata" / name, mixed / "metadata" / name)
        with pytest.raises(BundleError, match="does not belong"):
            Bundle.load(mixed, bundle[1], NOW)


def test_mix_and_match_of_equal_versions_is_refused(
    bundle: tuple[Path, Path], releaser: Releaser, tmp_path: Path
) -> None:
    """A releaser who lost count does not open a way: digests bind the parts, not only versions."""
    other = tmp_path / "other"
    shutil.copytree(bundle[0], other)
    (other / "targets" / "MODEL_CARD.md").write_text("another release 1")
    releaser.sign(other)
    for name in ("targets.json", "snapshot.json"):
        mixed = tmp_path / f"mixed-{name}"
        shutil.copytree(bundle[0], mixed)
        shutil.copytree(other / "targets", mixed / "targets", dirs_exist_ok=True)
        shutil.copy(other / "metadata" / name, mixed / "metadata" / name)
        with pytest.raises(BundleError, match="digest differs"):
            Bundle.load(mixed, bundle[1], NOW)


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_each_role_must_sign_for_itself(files: Path, releaser: Releaser, role: str) -> None:
    """One stolen key is not enough: what another key signed in this role's place is refused."""
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    releaser.keys[role] = CryptoSigner(Ed25519PrivateKey.generate())
    releaser.sign(files)
    with pytest.raises(BundleError, match=rf"{role}\.json is not signed"):
        Bundle.load(files, root, NOW)


def test_expired_metadata_still_loads_and_is_told(files: Path, releaser: Releaser) -> None:
    releaser.sign(files, expires=NOW - timedelta(days=400))
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    assert set(Bundle.load(files, root, NOW).expired) == {"timestamp", "snapshot", "targets"}
    assert Bundle.load(files, root, None).expired == ()


def test_a_rotated_root_is_followed_and_a_forged_one_is_not(
    bundle: tuple[Path, Path], releaser: Releaser
) -> None:
    path, root = bundle
    old = Metadata[Root].from_bytes(releaser.root)
    following = Releaser()
    new = Metadata[Root].from_bytes(following.root)
    new.signed.version = 2
    new.sign(following.keys["root"])
    unsigned_by_old = new.to_bytes()
    new.sign(releaser.keys["root"], append=True)
    following.sign(path)
    (path / "metadata" / "2.root.json").write_bytes(unsigned_by_old)
    with pytest.raises(BundleError, match="not signed"):
        Bundle.load(path, root, NOW)
    (path / "metadata" / "2.root.json").write_bytes(new.to_bytes())
    assert old.signed.version == 1
    assert Bundle.load(path, root, NOW).version == 1


def test_other_preprocessing_is_refused(files: Path, releaser: Releaser) -> None:
    (files / "targets" / "bundle.json").write_text(json.dumps({**SPEC, "preprocess": "other"}))
    releaser.sign(files)
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    with pytest.raises(BundleError, match="preprocessing"):
        Bundle.load(files, root, NOW)


def test_named_preprocessing_is_what_the_box_does(files: Path, releaser: Releaser) -> None:
    wanted = preprocess.Preprocessing(perspective=True, denoise=True)
    (files / "targets" / "bundle.json").write_text(json.dumps({**SPEC, "preprocess": wanted.name}))
    releaser.sign(files)
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    assert Bundle.load(files, root, NOW).preprocessing == wanted


def test_a_research_bundle_is_no_release(files: Path, releaser: Releaser) -> None:
    (files / "targets" / "privacy.json").write_text(json.dumps({**PRIVACY, "mode": "research"}))
    releaser.sign(files)
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    with pytest.raises(BundleError, match="research run"):
        Bundle.load(files, root, NOW)
    assert Bundle.load(files, root, NOW, allow_research=True).privacy.mode == "research"


def test_a_statement_without_a_mode_is_a_release(bundle: tuple[Path, Path]) -> None:
    assert Bundle.load(*bundle, NOW).privacy.mode == "release"


def test_groups_must_agree(files: Path, releaser: Releaser) -> None:
    (files / "targets" / "bundle.json").write_text(json.dumps({**SPEC, "temperature": {"h": 1.0}}))
    releaser.sign(files)
    root = files.parent / "root.json"
    root.write_bytes(releaser.root)
    with pytest.raises(BundleError, match="temperature"):
        Bundle.load(files, root, NOW)


def test_a_model_swapped_after_loading_is_noticed(bundle: tuple[Path, Path]) -> None:
    loaded = Bundle.load(*bundle, NOW)
    loaded.model_fp32.write_bytes(b"other")
    with pytest.raises(BundleError, match="changed"):
        loaded.read_model("fp32")


def test_missing_directory_and_file_say_so(bundle: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(tmp_path / "nowhere", bundle[1], NOW)
    (bundle[0] / "targets" / "model.fp16.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.fp16\.onnx cannot be read"):
        Bundle.load(*bundle, NOW)


def test_the_shipped_bundle_loads_and_is_small() -> None:
    loaded = Bundle.load(SHIPPED / "model", SHIPPED / "model-root.json", None)
    sizes = sum(path.stat().st_size for path in (loaded.model_fp32, loaded.model_fp16))
    assert sizes <= 8_000_000
    assert {each.group for each in loaded.classes} == {"mri_brain", "xr_chest"}
    assert loaded.privacy.epsilon is not None


def test_python_tufs_own_client_accepts_the_shipped_bundle(tmp_path: Path) -> None:
    """An independent reader: python-tuf's updater over a fetcher that reads files."""
    from tuf.api.exceptions import DownloadHTTPError
    from tuf.ngclient import FetcherInterface, Updater

    class Files(FetcherInterface):
        def _fetch(self, url: str):
            path = Path(url.removeprefix("file:"))
            if not path.is_file():
                raise DownloadHTTPError("none", 404)
            yield path.read_bytes()

    model = SHIPPED / "model"
    updater = Updater(
        str(tmp_path),
        f"file:{model}/metadata/",
        str(tmp_path),
        f"file:{model}/targets/",
        Files(),
        bootstrap=(SHIPPED / "model-root.json").read_bytes(),
    )
    updater.refresh()
    for name in REQUIRED:
        info = updater.get_targetinfo(name)
        assert info is not None
        assert Path(updater.download_target(info)).read_bytes() == (model / "targets" / name).read_bytes()
