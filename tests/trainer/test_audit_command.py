"""``trainer audit`` as a user types it, on procedural images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_audit import TINY

from trainer import cli
from trainer.audit import material
from trainer.audit.members import others_than
from trainer.data import dataset
from trainer.release import card_audit
from trainer.training import audit_note, run_record


def command(*words: object) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture(scope="module")
def run(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audited") / "run"
    basic = ("--data", index, "--epsilon", 2, "--delta", 1e-5, "--unit", "image", "--out", out)
    assert command("fit", *basic, "--steps", 6, "--views", 1, "--ledger", out.parent / "ledgers") == 0
    return out


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "QUICK", TINY)


def test_an_audit_reports_figures_for_the_workstation_alone(
    run: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, page = tmp_path / "a.json", tmp_path / "a.html"
    page.write_text("open to all")
    page.chmod(0o644)
    ledger = ("--ledger", run.parent / "ledgers")
    words = ("--run", run, "--data", index, "--others", "test", "--quick", "--json", figures, "--html", page)
    assert command("audit", *words, *ledger) == 0
    told = capsys.readouterr()
    # Attacked with images that no training saw: a look at their split, and counted like any.
    assert "read number 1 of images of split 'test'" in told.out
    for path in (figures, page):
        assert path.stat().st_mode & 0o777 == 0o600
    result = json.loads(figures.read_text())
    assert result["claimed"]["epsilon"] == pytest.approx(2.0, abs=0.01)
    assert result["contradicted"] == []
    assert result["members"] == 40
    assert result["others"] == 16
    subjects = [each["subject"] for each in result["membership"]]
    assert subjects[0] == "private head"
    assert any("without DP" in each for each in subjects)
    assert "the released model itself" in subjects
    # The released model's members were fixed, not thrown: no bound may be claimed from them.
    assert all(each["bounds"] is None for each in result["membership"][-1]["attacks"].values())
    broken = [each for each in result["canaries"] if each["sabotage"] != "intact"]
    assert {each["sabotage"] for each in broken} == {"noise halved", "noise quartered", "clip removed"}
    # So few canaries do not find each broken mechanism every time; test_audit_attacks.py takes enough.
    assert any(each["refuted"] for each in broken if each["sabotage"] == "clip removed")
    assert {each["subject"].split(",")[0] for each in result["inversion"]} >= {"the released model"}
    for said in ("evidence, not proof", "not covered by epsilon"):
        assert said in told.out
        assert said in page.read_text()
    assert "shadow models: 4/4" in told.err
    text = page.read_text()
    assert "data:image/png;base64," in text
    assert "://" not in text  # nothing is loaded from anywhere
    assert "data:image" not in figures.read_text()
    # The card tells that it was made and how it ended; of private images no figure leaves.
    out = tmp_path / "bundle"
    assert command("export", "--run", run, "--keys", tmp_path / "keys", "--out", out, *ledger) == 0
    assert "not audited" not in capsys.readouterr().err
    assert (run / audit_note.NOTES).stat().st_mode & 0o777 == 0o600
    said = (out / "targets" / "MODEL_CARD.md").read_text().split("## Audit")[1].split("## Training")[0]
    assert ", a quick one, which shows little: no claim was contradicted" in said
    assert "stay on the workstation" in said
    assert "lower bound" not in said
    assert "AUC" not in said


def test_the_card_tells_figures_of_audits_on_published_images_alone(run: Path) -> None:
    record, _ = run_record.load(run)
    published = record.model_copy(update={"data": {"sets": {"chest_xray": {}}}})
    bound = audit_note.Bound(what="steps", claimed=2.0, proved=1.35, auc=0.5, auc_interval=(0.4, 0.6))
    fields = {"trainer": "0.1.0", "files": {}, "contradicted": (), "controls": 5, "missed": 0}
    note = audit_note.AuditNote(made="2026-01-02", quick=False, published=True, bounds=(bound,), **fields)
    weak = note.model_copy(update={"made": "2026-01-03", "missed": 1, "published": False, "bounds": ()})
    told = "\n".join(card_audit.audit_lines(published, [note, weak]))
    assert "Audited on 2026-01-02 with trainer 0.1.0: no claim was contradicted; all 5 mechanisms" in told
    assert "its silence means little" in told
    assert "| steps | 2.000 | 1.35 | 0.500 (0.400 to 0.600) |" in told
    assert "1.35" not in "\n".join(card_audit.audit_lines(record, [note, weak])), "the run's are private"
    assert list(card_audit.audit_lines(published, [])) == ["Not audited."]


def test_notes_are_of_these_very_bytes_and_none_hides_another(tmp_path: Path) -> None:
    fields = {"trainer": "0.1.0", "controls": 5, "missed": 0, "quick": True, "published": False}
    bad = audit_note.AuditNote(made="2026-01-02", files={"a": "1"}, contradicted=("steps",), **fields)
    for note in (bad, bad.model_copy(update={"contradicted": ()}), bad.model_copy(update={"files": {}})):
        audit_note.add(tmp_path, note)
    assert [each.contradicted for each in audit_note.read(tmp_path, {"a": "1"})] == [("steps",), ()]
    (tmp_path / audit_note.NOTES).write_text("{}\n")
    with pytest.raises(audit_note.NoteError, match="is damaged; restore it"):
        audit_note.read(tmp_path, {})


def test_a_contradicted_claim_is_said_and_ends_in_an_error(
    run: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same run with a record that claims far less than was spent."""
    record, net = run_record.load(run)
    shy = record.privacy.model_copy(update={"epsilon": 0.01})
    run_record.save(tmp_path / "shy", record.model_copy(update={"privacy": shy}), net)
    # Means are audited at the noise of the claim, the head at the noise that the record states.
    stated = json.loads((tmp_path / "shy" / "run.json").read_text())
    for release in stated["privacy"]["releases"]:
        release["noise"] *= 0.05
    (tmp_path / "shy" / "run.json").write_text(json.dumps(stated))
    ledger = ("--ledger", run.parent / "ledgers")
    assert command("audit", "--run", tmp_path / "shy", "--data", index, "--quick", *ledger) == 1
    told = capsys.readouterr()
    words = ("--run", tmp_path / "shy", "--keys", tmp_path / "keys", "--out", tmp_path / "bundle")
    assert command("export", *words) == 2
    assert "contradicts the privacy" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()
    assert "CONTRADICTED" in told.out
    assert "whole private head" in told.out.split("CONTRADICTED")[1]
    assert "contradicted" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--split", "nowhere"], "nowhere"),
        (["--only", "nothing"], "nothing"),
        (["--run", "nowhere"], "run"),
        (["--split", "test"], "was not trained on 16 of these 16 images"),
        (["--ledger", "nowhere"], "give its directory with --ledger"),
    ],
)
def test_what_cannot_be_audited_is_refused(
    run: Path, index: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    basic = {"--run": str(run), "--data": str(index), "--ledger": str(run.parent / "ledgers")}
    basic.update(dict(zip(words[::2], words[1::2], strict=True)))
    assert command("audit", *(part for pair in basic.items() for part in pair)) == 2
    assert said in capsys.readouterr().err


def test_a_copy_of_a_member_does_not_stand_for_a_stranger(
    run: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(index.parent, tmp_path / "data")
    copied = tmp_path / "data" / index.name
    every = dataset.read(copied)
    of = {split: [each for each in every if each.split == split] for split in ("train", "test")}
    shutil.copyfile(of["train"][0].file, of["test"][0].file)
    figures = tmp_path / "a.json"
    words = ("--run", run, "--data", copied, "--others", "test", "--quick", "--json", figures)
    assert command("audit", *words, "--ledger", run.parent / "ledgers") == 0
    assert "1 images of split 'test' left out" in capsys.readouterr().out
    found = json.loads(figures.read_text())
    assert (found["members"], found["others"]) == (40, 15)


def test_of_a_part_of_a_larger_ledger_nobody_can_say_which_images_it_saw(run: Path, index: Path) -> None:
    """Research on a part of known images is charged to their ledger, which holds more than the run."""
    every = dataset.read(index)
    train, test = ([each for each in every if each.split == split] for split in ("train", "test"))
    record, _ = run_record.load(run)
    assert others_than(record.privacy, run.parent / "ledgers", train[:20], [*test, train[30]]).copies == 1
    part = record.privacy.model_copy(update={"records": 20})
    found = others_than(part, run.parent / "ledgers", train[:20], train[20:])
    assert (found.records, found.copies, found.known) == (train[20:], 0, False)
