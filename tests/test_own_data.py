"""Training on users' data sets: both layouts from nothing to a generator, shards, resuming, crews, reports."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_sets import simulated, write_patients, write_set

from discovery import cli
from discovery.measure import measure
from models import fitting, shards, training
from models.checkpoints import load_checkpoint
from models.crew import Crew
from models.ecg import Conditions
from models.fitting import sample_of_records, table_with_means
from models.generator import load_generator
from models.preparation import read_measured, waveforms
from models.shards import open_shards, prepare_shards
from models.training import open_records

ROOT = Path(__file__).resolve().parent.parent
HEARTS = "--heart-steps 20 --heart-teachers 2 --teacher-width 64 --pupil-steps 20 --refine-steps 2"
STEPS = f"{HEARTS} --strip-steps 3 --straight-steps 2 --texture-steps 2 --liken-steps 1"
QUICK = [*STEPS.split(), *"--width 32 --batch 8 --seed 3 --device cpu".split()]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("sets")
    return {layout: write_set(folder / layout, layout) for layout in ("ptb-xl", "mimic-iv-ecg")}


@pytest.fixture(scope="module")
def small_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD", 32)
        yield


def command(sets, layout, folder, *more):
    data, measured = sets[layout]
    out = folder / "made.safetensors"
    return [
        *("--data", str(data), "--layout", layout, "--measured", str(measured)),
        *("--folder", str(folder), "--out", str(out), *QUICK, *more),
    ]


@pytest.fixture(scope="module")
def made(sets, small_shards, tmp_path_factory):
    """A checkpoint of each layout."""
    folders = {layout: tmp_path_factory.mktemp(layout) for layout in sets}
    for layout, folder in folders.items():
        training.main(command(sets, layout, folder))
    return folders


def same_network(first, second):
    """Whether two networks have the same weights."""
    ours, theirs = first.state_dict(), second.state_dict()
    return all(torch.equal(weights, theirs[name]) for name, weights in ours.items())


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["ptb-xl", "mimic-iv-ecg"])
def test_a_data_set_becomes_a_generator(made, layout):
    assert len(list((made[layout] / "material").glob("shard-*"))) == 3
    generator = load_generator(made[layout] / "made.safetensors", device="cpu")
    asked = [Conditions(60, "male", 70, text) for text in ("normal ECG", "atrial fibrillation")] * 3
    table = measure(generator.generate(asked, range(6)))
    assert (table["rate_bpm"] - 70).abs().max() < 2
    assert generator.facts["records"] > 50 and "CLBBB" in generator.vocabulary
    source = {"ptb-xl": "PTB-XL (Wagner", "mimic-iv-ecg": "MIMIC-IV-ECG (Gow"}[layout]
    assert generator.facts["training_data"].startswith(source)
    assert generator.facts["licence"] == {"ptb-xl": "CC BY 4.0", "mimic-iv-ecg": "ODbL 1.0"}[layout]


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["ptb-xl", "mimic-iv-ecg"])
def test_a_generator_is_calibrated_on_its_own_data(made, sets, layout, tmp_path, capsys):
    whole, out = made[layout] / "made.safetensors", tmp_path / "calibrated.safetensors"
    words = [whole, sets[layout][0], "--layout", layout, "--out", out, "--sets", 1, "--rounds", 2, "--quiet"]
    assert cli.main(["calibrate", *map(str, words)]) == 0
    assert "round 2: mean intervals were off by pr_ms" in capsys.readouterr().out
    before, after = (load_checkpoint(path)[0] for path in (whole, out))
    assert not np.array_equal(before.heart.mean, after.heart.mean) and after.facts["calibration"]["sets"] == 1
    assert same_network(before.heart_net, after.heart_net) and same_network(before.strip_net, after.strip_net)


def test_calibration_says_what_it_lacks(tmp_path, capsys):
    words = ["calibrate", "ptbxl", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out.safetensors")]
    assert cli.main(words) == 1
    assert "nowhere" in capsys.readouterr().err and not (tmp_path / "out.safetensors").exists()
    assert cli.main(["calibrate", "no-such-weights", *words[2:]]) == 1
    assert "no-such-weights" in capsys.readouterr().err, "weights are read before a data set is"


@pytest.mark.slow
def test_a_texture_alone_leaves_all_else_as_it_is(made, sets, tmp_path):
    whole = made["ptb-xl"] / "made.safetensors"
    training.main(command(sets, "ptb-xl", tmp_path, "--only-texture", "--warm-start", str(whole)))
    before, after = (load_checkpoint(path)[0] for path in (whole, tmp_path / "made.safetensors"))
    assert same_network(before.strip_net, after.strip_net)
    assert not same_network(before.texture, after.texture)
    assert np.array_equal(before.heart.mean, after.heart.mean)
    alone = command(sets, "ptb-xl", tmp_path / "likened", "--only-texture", "--warm-start", str(whole))
    training.main([*alone, "--texture-steps", "0"])
    likened = load_checkpoint(tmp_path / "likened" / "made.safetensors")[0]
    assert not same_network(before.texture, likened.texture)
    assert likened.facts["texture_steps"] == before.facts["texture_steps"]
    nothing = command(sets, "ptb-xl", tmp_path / "mapped", "--only-texture", "--warm-start", str(whole))
    training.main([*nothing, "--texture-steps", "0", "--liken-steps", "0"])
    mapped = load_checkpoint(tmp_path / "mapped" / "made.safetensors")[0]
    assert same_network(before.texture, mapped.texture) and mapped.facts == before.facts
    for name in ("recorded", "drawn"):  # fitted anew, to the same strips
        same = np.allclose(*(getattr(one.noise_mapping, name) for one in (before, mapped)), atol=0.02)
        assert same, name


@pytest.mark.slow
def test_a_heart_alone_leaves_strip_network_and_texture_as_they_are(made, sets, tmp_path):
    whole = made["ptb-xl"] / "made.safetensors"
    steps = "--strip-steps 0 --straight-steps 0 --texture-steps 0 --heart-steps 200 --refine-steps 2 --seed 4".split()
    training.main(command(sets, "ptb-xl", tmp_path, "--warm-start", str(whole), *steps))
    before, after = (load_checkpoint(path)[0] for path in (whole, tmp_path / "made.safetensors"))
    assert same_network(before.strip_net, after.strip_net) and same_network(before.texture, after.texture)
    assert not same_network(before.heart_net, after.heart_net)
    for name in ("straight_steps", "straight_loss", "texture_steps"):
        assert before.facts[name] == after.facts[name]


def test_a_texture_alone_needs_something_to_correct(sets, tmp_path, capsys):
    with pytest.raises(SystemExit):
        training.main(command(sets, "ptb-xl", tmp_path, "--only-texture"))
    assert "--only-texture needs --warm-start" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        training.main(command(sets, "ptb-xl", tmp_path, "--strip-steps", "0"))
    assert "--strip-steps 0 needs --warm-start" in capsys.readouterr().err
    for name in ("--heart-teachers", "--teacher-width", "--pupil-steps"):
        with pytest.raises(SystemExit):
            training.main(command(sets, "ptb-xl", tmp_path, name, "0"))
        assert f"{name} must be at least 1, got 0" in capsys.readouterr().err


def test_a_depth_that_cannot_be_is_told_before_anything_is_trained(sets, tmp_path, capsys):
    with pytest.raises(SystemExit):
        training.main([*command(sets, "ptb-xl", tmp_path, "--straight-depth", "3"), "--straight-steps", "0"])
    assert "--straight-depth needs --straight-steps above 0" in capsys.readouterr().err
    for depth in ("0", "7"):
        with pytest.raises(
            ValueError, match=f"straight depth must be 1 to 6, the blocks there are, got {depth}"
        ):
            training.main(command(sets, "ptb-xl", tmp_path, "--straight-depth", depth))
    assert not list(tmp_path.rglob("material"))


@pytest.mark.slow
def test_without_a_table_of_patients_age_and_sex_are_ignored_and_it_says_so(made):
    generator = load_generator(made["mimic-iv-ecg"] / "made.safetensors", device="cpu")
    assert generator.facts["never_known"] == ["age", "sex"]
    asked = Conditions(85, "female", 70, "normal ECG")
    old, young = generator.generate([asked, asked.replace(age=20, sex="male")], [1, 1])
    assert np.array_equal(old.signals, young.signals)
    told = generator.cautions(asked)
    assert any("age was not told of any training record" in sentence for sentence in told)
    assert not generator.cautions(Conditions(text="normal ECG"))


def test_no_patient_of_mimic_is_split_and_fold_10_is_left_alone(sets):
    records = open_records(sets["mimic-iv-ecg"][0], "mimic-iv-ecg")
    folds = records.table.groupby("patient_id")["fold"]
    assert (folds.nunique() == 1).all() and folds.size().max() == 2
    assert set(records.table["fold"]) <= set(range(1, 10)) and 9 in set(records.table["fold"])
    assert {"AFIB"} <= set(records.table["statements"].iloc[2])


def test_ages_of_mimic_are_those_at_the_ecg(sets, tmp_path):
    ecg = simulated()
    people = write_patients(tmp_path, ecg)
    records = open_records(sets["mimic-iv-ecg"][0], "mimic-iv-ecg", people)
    first = records.table.iloc[0]
    assert first["age"] == ecg.conditions[(int(first["record"]) - 40_000_000) // 2 * 2].age + 1


def test_an_unknown_age_stands_for_the_mean_of_the_known():
    table = pd.DataFrame({"age": [50.0, np.nan, 70.0], "female": [np.nan] * 3, "rr_s": [1.0, 1.0, np.nan]})
    filled = table_with_means(table)
    assert filled["age"].tolist() == [50, 60, 70] and filled["female"].tolist() == [0.5] * 3


def test_measurements_may_come_in_parts_named_after_the_files(sets, small_shards, tmp_path):
    data, measured = sets["ptb-xl"]
    table = pd.read_parquet(measured)
    records = open_records(data, "ptb-xl")
    stems = dict(zip(records.table["record"].astype(str), records.table["path"].str[-8:], strict=True))
    parts = tmp_path / "parts"
    parts.mkdir()
    named = table.assign(record=table["record"].astype(str).map(stems)).dropna(subset="record")
    named.iloc[:30].to_parquet(parts / "a.parquet")
    named.iloc[30:].to_parquet(parts / "b.parquet")
    read = read_measured(parts)
    assert len(read) == len(named)
    few = records.where(records.table["record"].to_numpy() <= 20)
    paths = prepare_shards(tmp_path / "material", few, read)
    assert len(open_shards(paths).table) >= 15


def test_shards_are_made_once_and_go_on_where_they_were_killed(sets, small_shards, tmp_path, monkeypatch):
    data, measured = sets["ptb-xl"]
    records, table = open_records(data, "ptb-xl"), read_measured(measured)
    prepare, done = shards.prepare, []

    def dies(source, measured, labelled):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(len(measured))
        return prepare(source, measured, labelled)

    monkeypatch.setattr(shards, "prepare", dies)
    with pytest.raises(KeyboardInterrupt):
        prepare_shards(tmp_path, records, table)
    assert [path.name for path in sorted(tmp_path.glob("shard-*"))] == ["shard-00000"]
    first = (tmp_path / "shard-00000" / "strips.npy").stat().st_mtime_ns
    monkeypatch.setattr(shards, "prepare", prepare)
    material = open_shards(prepare_shards(tmp_path, records, table))
    assert (tmp_path / "shard-00000" / "strips.npy").stat().st_mtime_ns == first
    assert len(material.table) > 0.9 * len(records)
    with pytest.raises(ValueError, match=r"folder must be new .* got .*'records': \d+.*choose another"):
        prepare_shards(tmp_path, records.where("fold < 5"), table)


def test_a_record_that_cannot_be_read_is_left_out(sets, small_shards, tmp_path):
    data, measured = sets["ptb-xl"]
    records = open_records(data, "ptb-xl")
    records = records.where(np.arange(len(records)) < 8)
    lost = records.table.assign(path=records.table["path"].where(records.table.index != 3, "nowhere/00000"))
    records = type(records)(records.folder, lost, records.provenance)
    material = open_shards(prepare_shards(tmp_path, records, read_measured(measured)))
    whole = open_records(data, "ptb-xl").table["record"].iloc[[0, 1, 2, 4, 5, 6, 7]].astype(str)
    assert set(material.table["record"]) <= set(whole) and len(material.table) >= 5


def test_a_waveform_that_lacks_a_lead_is_left_out(tmp_path):
    whole = simulated(1)
    for name, leads in (("whole", whole.leads), ("limbs", ("I", "II", "III"))):
        table = pd.DataFrame({lead: whole.lead(lead)[0] for lead in leads})
        (tmp_path / f"{name}.csv").write_text(f"# fs: {whole.fs}\n{table.to_csv(index=False)}")
    (tmp_path / "broken.csv").write_text("# fs: 500\nI,II\nhigh,low\n")
    assert [rows for rows, _ in waveforms(tmp_path)] == [[{"record": "whole"}]]


def test_material_on_disk_is_material_in_memory(sets, small_shards, tmp_path):
    data, measured = sets["ptb-xl"]
    records = open_records(data, "ptb-xl")
    material = open_shards(
        prepare_shards(tmp_path, records.where(np.arange(len(records)) < 40), read_measured(measured))
    )
    rows = np.array([33, 2, 2, 17])
    some, held = material.select(rows), material.loaded().select(rows)
    assert np.array_equal(material.residual[rows], held.residual)
    for name in ("beats", "timings", "rendered", "residual", "weight"):
        assert np.array_equal(np.asarray(getattr(some, name)), getattr(held, name), equal_nan=True)
    assert np.allclose(some.noise_mv(), held.noise_mv(), atol=1e-3)
    assert some.table.equals(held.table) and some.statements == held.statements
    for ours, theirs in zip(some.rhythms, held.rhythms, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_sample_for_the_closed_forms_keeps_rare_statements(monkeypatch):
    monkeypatch.setattr(fitting, "MOST_RECORDS", 50)
    monkeypatch.setattr(fitting, "RARE_RECORDS", 10)
    said = [{"WPW": 1.0} if row % 100 == 7 else {"SR": 1.0} for row in range(2000)]
    train = np.arange(1000, 2000)
    chosen = sample_of_records(train, said)
    assert set(chosen) <= set(train) and 50 <= len(chosen) <= 60
    assert sum("WPW" in said[row] for row in chosen) == 10


@pytest.mark.slow
def test_training_that_was_killed_ends_as_training_that_was_not(sets, made, tmp_path, monkeypatch):
    folder = tmp_path / "killed"
    log, steps = training.log, []

    def dies(folder, **facts):
        log(folder, **facts)
        steps.append(facts)
        if facts["part"] == "strip" and facts["step"] == 2:
            raise KeyboardInterrupt

    again = command(sets, "ptb-xl", folder, "--save-every", "0")
    monkeypatch.setattr(training, "log", dies)
    with pytest.raises(KeyboardInterrupt):
        training.main(again)
    assert torch.load(folder / "strip.pt", weights_only=True)["step"] == 1
    monkeypatch.setattr(training, "log", log)
    training.main(again)
    ours, theirs = (torch.load(one / "strip.pt", weights_only=True) for one in (folder, made["ptb-xl"]))
    assert ours["step"] == theirs["step"] == 3
    for name, weights in theirs["net"].items():
        assert torch.equal(weights, ours["net"][name]), name
    assert load_generator(folder / "made.safetensors", device="cpu").facts["strip_steps"] == 3


@pytest.mark.slow
def test_state_of_another_network_is_refused(sets, made):
    with pytest.raises(
        ValueError, match="folder must hold the state of this network, got another in .*strip.pt"
    ):
        training.main([*command(sets, "ptb-xl", made["ptb-xl"]), "--width", "16"])


@pytest.mark.slow
def test_two_processes_train_one_generator(sets, tmp_path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [*launch, "-m", "models.training", *command(sets, "ptb-xl", tmp_path)],
        **{"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "timeout": 300},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if line["part"] == "strip"] == [3]  # one of them writes
    generator = load_generator(tmp_path / "made.safetensors", device="cpu")
    assert generator.generate([Conditions(50, "male", 60)], [1]).signals.std() > 0.01


def test_a_crew_shares_a_batch_and_jobs(tmp_path):
    assert [Crew(rank, 3).share(64) for rank in range(3)] == [22, 21, 21]
    made = []
    jobs = [(tmp_path / str(k), lambda k=k: (made.append(k), (tmp_path / str(k)).touch())) for k in range(4)]
    (tmp_path / "1").touch()
    (tmp_path / "3").touch()
    Crew(0, 2).each(jobs)
    assert made == [0, 2]


def test_bad_arguments_are_told(sets, tmp_path, capsys):
    with pytest.raises(ValueError, match="layout must be one of ptb-xl, mimic-iv-ecg, got 'chapman'"):
        open_records(sets["ptb-xl"][0], "chapman")
    with pytest.raises(FileNotFoundError, match=r"measured must be a Parquet table .* got .*nowhere"):
        read_measured(tmp_path / "nowhere.parquet")
    with pytest.raises(FileNotFoundError, match="measured must hold Parquet tables, got"):
        read_measured(tmp_path)
    with pytest.raises(SystemExit):
        training.main([*command(sets, "ptb-xl", tmp_path), "--extra", "somewhere"])
    assert "--extra and --extra-measured must be given together" in capsys.readouterr().err
    other = pd.read_parquet(sets["ptb-xl"][1]).assign(record="stranger")
    with pytest.raises(ValueError, match="measured must hold the records of .* got none of its"):
        prepare_shards(tmp_path, open_records(sets["ptb-xl"][0], "ptb-xl"), other)
