"""Each verb of the command line does its work, teaches in its help, and refuses in a sentence."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import wfdb
from known_beats import known_ecg

from discovery.cli import main
from discovery.cli_help import EXAMPLES
from discovery.export import save_ecg
from discovery.store import SweepStore
from models.ecg import LEADS
from models.records import open_ptbxl
from models.strips import read_csv, read_npz

PLAN = """
base: {heart_rate: 70, text: sinus rhythm}
factors: {age: [30, 70], sex: [female, male]}
repeats: 6
seed: 7
"""
CLAIMS = """
- {outcome: qtcf_ms, contrast: {sex: [female, male]}, given: [age], smallest: 5, direction: "+"}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a sweep made by the command line, its plan and its hypotheses."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "plan.yaml").write_text(PLAN)
    (folder / "claims.yaml").write_text(CLAIMS)
    plan, out, claims = (str(folder / name) for name in ("plan.yaml", "sweep", "claims.yaml"))
    command = ["sweep", plan, "--out", out, "--hypotheses", claims, "--generator", "simulator", "--quiet"]
    assert main(command) == 0
    assert not (folder / "sweep").exists(), "without --yes nothing is made"
    assert main([*command, "--yes"]) == 0
    return folder


@pytest.mark.parametrize("verb", sorted(EXAMPLES))
def test_help_teaches_with_an_example(verb, capsys):
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"discovery {verb}" in shown.split("example", 1)[1]


def test_the_front_page_names_every_verb(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {verb} " in shown for verb in EXAMPLES)


@pytest.mark.parametrize("ending", ["png", "html", "npz"])
def test_generate_writes_and_says_what_was_understood(tmp_path, capsys, ending):
    asked = ["--age", "63", "--sex", "female", "--hr", "72", "--text", "sinus rhythm|LBBB|blue bicycle"]
    out = tmp_path / f"ecg.{ending}"
    assert main(["generate", *asked, "--generator", "simulator", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "CLBBB" in shown
    assert "ignored: blue bicycle" in shown
    assert out.stat().st_size > 10_000


def test_generate_numbers_several_pictures(tmp_path):
    out = tmp_path / "e.png"
    assert main(["generate", "--n", "2", "--plain", "--generator", "simulator", "--out", str(out)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e-1.png", "e-2.png"]


def test_a_plan_says_what_it_would_cost_and_asks(runs, tmp_path, capsys, monkeypatch):
    command = ["sweep", str(runs / "plan.yaml"), "--out", str(tmp_path / "s"), "--generator", "simulator"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    asked = []
    for answer, made in (("n", False), ("y", True)):
        monkeypatch.setattr("builtins.input", lambda question, said=answer: asked.append(question) or said)
        assert main([*command, "--quiet"]) == 0
        assert (tmp_path / "s").exists() is made
        shown = capsys.readouterr().out
        assert re.search(r"Forecast from 16 ECGs made here: 4 cells, 24 ECGs in 1 chunks", shown)
        assert re.search(
            r"generating  about .*measuring   about .*disk        about [\d.]+ [MG]B", shown, re.S
        )
    assert asked == [f"Make 24 ECGs in {tmp_path / 's'}? [y/N] "] * 2


def test_a_sweep_is_measured_while_it_is_made(runs, tmp_path, capsys):
    command = ["sweep", str(runs / "plan.yaml"), "--out", str(tmp_path / "s"), "--generator", "simulator"]
    assert main([*command, "--yes", "--measure", "--quiet"]) == 0
    assert main(["show", str(tmp_path / "s"), "--verify"]) == 0
    assert re.search(r"24 of 24 ECGs .*measured    24 ECGs by measure-", capsys.readouterr().out, re.S)


def test_show_tells_what_is_there_by_its_exit_code(runs, tmp_path, capsys):
    store = shutil.copytree(runs / "sweep", tmp_path / "mein Herz ♥")
    assert main(["show", str(store), "--verify"]) == 0
    shard = next(store.glob("signals.zarr/signals/c/*/0/0"))
    content = bytearray(shard.read_bytes())
    content[500] ^= 4
    shard.write_bytes(bytes(content))
    assert main(["show", str(store)]) == 0
    assert main(["show", str(store), "--verify"]) == 4
    assert "damaged     chunk 0: signals.zarr" in capsys.readouterr().out
    (store / "done" / "000000.json").unlink()
    assert main(["show", str(store)]) == 3
    assert "0 of 24 ECGs" in capsys.readouterr().out


def test_a_sweep_is_exported(runs, tmp_path, capsys):
    out, store = tmp_path / "as ptb-xl", SweepStore(runs / "sweep")
    assert main(["export", str(runs / "sweep"), "--out", str(out), "--query", "age > 60"]) == 0
    records = open_ptbxl(out)
    expected = store.signals("age > 60")
    np.testing.assert_allclose(records.ecg(slice(None)).signals, expected.signals, atol=1e-4)
    assert records.table["patient_id"].nunique() == 6
    assert set(records.table["statements"][0]) == {"SR"}
    assert main(["export", str(runs / "sweep"), "--out", str(tmp_path / "e.npz")]) == 0
    assert (
        main(["export", str(runs / "sweep"), "--out", str(tmp_path / "e.csv"), "--query", "ecg == 13"]) == 0
    )
    assert "1 files" in capsys.readouterr().out
    read = list(read_npz(tmp_path / "e-000000.npz"))
    assert len(read) == 24
    np.testing.assert_array_equal(read[13][1].signals, store.ecg(13).signals)
    assert len({name for name, _ in read}) == 24
    np.testing.assert_allclose(read_csv(tmp_path / "e-0000013.csv").signals, store.ecg(13).signals, atol=1e-4)


def test_an_export_of_nothing_or_of_another_kind_is_refused(runs, tmp_path, capsys):
    for ending, more, said in (
        ("png", [], "path must end in .npz or .csv, got 'e.png'"),
        ("csv", ["--query", "age > 99"], "query must find ECGs that are made, got none for 'age > 99'"),
        ("csv", ["--query", "colour > 9"], "query must be one that pandas can apply to ecg, cell,"),
    ):
        assert main(["export", str(runs / "sweep"), "--out", str(tmp_path / f"e.{ending}"), *more]) == 2
        assert said in capsys.readouterr().err


def test_sweep_measure_map(runs, capsys):
    table = runs / "table.csv"
    assert main(["measure", str(runs / "sweep"), "--out", str(table), "--quiet"]) == 0
    assert "24 ECGs" in capsys.readouterr().out
    assert len(pd.read_csv(table)) == 24
    assert main(["map", str(table), "--color", "age", "sex", "--out", str(runs / "map.png"), "--quiet"]) == 0
    places = pd.read_csv(runs / "map.csv")
    assert {"umap_1", "umap_2", "qtcf_ms"} <= set(places.columns)


def test_hypotheses_frozen_with_the_sweep_are_put_to_it(runs, capsys):
    assert main(["test", str(runs / "sweep"), "--out", str(runs / "findings.csv"), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "supported" in shown
    assert "exploratory" not in shown
    assert pd.read_csv(runs / "findings.csv")["n"].tolist() == [6]


def test_hypotheses_written_afterwards_are_exploratory(runs, capsys):
    late = runs / "sweep" / "hypotheses.yaml"
    late.write_text(CLAIMS.replace("smallest: 5", "smallest: 4"))
    assert main(["test", str(late), "--quiet"]) == 0
    assert "exploratory" in capsys.readouterr().out


def test_a_sweep_is_reported(runs, capsys):
    assert main(["report", str(runs / "sweep"), "--out", str(runs / "r.html"), "--quiet"]) == 0
    assert "QTc" in (runs / "r.html").read_text()


def test_files_are_measured_with_their_names_and_beats(tmp_path):
    for out in ("a.npz", "b.csv"):
        made = ["generate", "--hr", "75", "--generator", "simulator", "--n", "2" if "npz" in out else "1"]
        assert main([*made, "--out", str(tmp_path / out)]) == 0
    out = tmp_path / "t.parquet"
    assert (
        main(["measure", str(tmp_path / "a.npz"), str(tmp_path / "b.csv"), "--out", str(out), "--quiet"]) == 0
    )
    table = pd.read_parquet(out)
    assert table["record"].tolist() == ["simulator-0", "simulator-1", "b"]
    assert table["rate_bpm"].to_numpy() == pytest.approx(75, abs=2)
    for peaks, kept in zip(table["r_peaks_s"], table["beat_kept"], strict=True):
        assert len(peaks) == len(kept) >= 11


def test_every_kind_of_file_is_measured_by_one_or_two_processes(tmp_path):
    random = np.random.default_rng(1)
    ecg = known_ecg(40, rate=70)
    np.savez(tmp_path / "many.npz", signals=ecg.signals, fs=ecg.fs, leads=np.array(ecg.leads))
    pd.DataFrame(ecg.signals[0].T, columns=list(ecg.leads)).assign(time_s=np.arange(5000) / 500).to_csv(
        tmp_path / "one.csv", index=False
    )
    counts = np.round(ecg.signals[1].T * 1000).astype(int) + random.integers(0, 2, (5000, 12))
    (tmp_path / "wfdb").mkdir()
    wfdb.wrsamp("r1", 500, ["mV"] * 12, list(ecg.leads), d_signal=counts, fmt=["16"] * 12, adc_gain=[1000.0] * 12,
                baseline=[0] * 12, write_dir=str(tmp_path / "wfdb"))  # fmt: skip
    (tmp_path / "wfdb" / "RECORDS").write_text("r1\n")
    paths = [str(tmp_path / name) for name in ("many.npz", "one.csv", "wfdb", "wfdb/r1")]
    tables = []
    for workers in ("1", "2"):
        out = tmp_path / f"{workers}.csv"
        assert main(["measure", *paths, "--out", str(out), "--workers", workers, "--quiet"]) == 0
        tables.append(pd.read_csv(out))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert tables[0].columns[0] == "record"
    assert tables[0]["record"].tolist()[-3:] == ["one", "r1", "r1"]
    assert len(tables[0]) == 43
    assert tables[0]["rate_bpm"].to_numpy() == pytest.approx(70, abs=0.5)


def test_a_record_that_is_no_ecg_has_its_row_and_its_sentence(tmp_path, capsys):
    ecg = known_ecg(1)
    for name, columns in {"a": ["I", "II", "V1"], "b": list(ecg.leads)}.items():
        strip = pd.DataFrame(ecg.signals[0].T, columns=list(ecg.leads))[columns]
        strip.assign(time_s=np.arange(5000) / 500).to_csv(tmp_path / f"{name}.csv", index=False)
    out = tmp_path / "t.csv"
    assert (
        main(["measure", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--out", str(out), "--quiet"]) == 0
    )
    table = pd.read_csv(out)
    assert table["reasons"].tolist()[0] == "refused"
    assert table["rate_bpm"].notna().tolist() == [False, True]
    said = "leads must hold I II V1 V2 V3 V4 V5 V6, got I II V1: add V2 V3 V4 V5 V6"
    assert table["refusal"][0] == said
    assert f"1 refused, a first: {said}" in capsys.readouterr().err
    assert main(["measure", str(tmp_path / "a.csv"), "--out", str(out), "--quiet"]) == 2
    assert said in capsys.readouterr().err


def test_standard_errors_and_a_second_opinion_are_options(tmp_path, runs):
    save_ecg(known_ecg(2), tmp_path / "a.npz")
    command = ["measure", str(tmp_path / "a.npz"), "--out", str(tmp_path / "t.parquet"), "--quiet"]
    assert main([*command, "--draws", "4", "--second-opinion"]) == 0
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert table.columns[0] == "record"
    assert table[["pr_se_ms", "qt_se_ms", "nk_pr_ms", "nk_qt_ms"]].notna().all(axis=None)
    out = tmp_path / "t.csv"
    assert main(["measure", str(runs / "sweep"), "--out", str(out), "--draws", "2", "--quiet"]) == 0
    assert "qt_se_ms" in pd.read_csv(out)


def test_one_unreadable_file_does_not_end_the_folder(tmp_path, capsys):
    strip = pd.DataFrame(known_ecg().signals[0].T, columns=list(LEADS)).assign(time_s=np.arange(5000) / 500)
    for name in ("a", "b", "c"):
        strip.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "b.csv").write_text("time_s,I,II\n0,one,two\n0.002,one,two\n")
    (tmp_path / "d.npz").write_bytes(b"nothing")
    out = tmp_path / "out" / "t.csv"
    assert main(["measure", str(tmp_path), "--out", str(out), "--quiet"]) == 0
    table = pd.read_csv(out)
    assert table["record"].tolist() == ["a", "c", "b", "d"]
    assert table["reasons"].isna().tolist() == [True, True, False, False]
    assert "b.csv must hold numbers in lead I, got 'one'" in table["refusal"][2]
    assert "1 refused, b first" in capsys.readouterr().err


def test_the_study_prints_its_findings_and_where_to_look(tmp_path, capsys):
    given = ["study", "--quick", "--no-instrument", "--quiet", "--generator", "simulator"]
    assert main([*given, "--out", str(tmp_path / "first")]) == 0
    shown = capsys.readouterr().out
    for part in (
        "verdict",
        "effect [95 % interval]",
        "ms/ms",
        "QT lengthens with the RR interval",
        "equivalent to",
    ):
        assert part in shown
    assert str(tmp_path / "first" / "report.html") in shown


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["generate", "--age", "430"], 2, "age must be between 0 and 120 years, got 430"),
        (["generate", "--out", "ecg.bmp"], 2, "path must end in one of .*got 'ecg.bmp'"),
        (["generate", "--n", "0"], 2, "--n must be at least 1, got 0"),
        (["generate", "--generator", "nothing"], 1, "which must name bundled weights .*got 'nothing'"),
        (["sweep", "nowhere.yaml", "--out", "x"], 1, "nowhere.yaml"),
        (["measure", "nowhere.csv", "--quiet"], 1, "nowhere"),
        (["measure", "a.csv", "--workers", "0", "--quiet"], 2, "--workers must be at least 1, got 0"),
        (["measure", "a", "--out", "table.xls"], 2, "table must end in .csv or .parquet, got 'table.xls'"),
        (["map", "table.json"], 2, "table must end in .csv or .parquet, got 'table.json'"),
        (["show", "nowhere"], 1, "folder must hold a sweep, got nowhere"),
        (["report", "nowhere"], 1, "folder must hold a sweep, got nowhere"),
        (["dance"], 2, "invalid choice: 'dance'"),
        ([], 2, "required"),
    ],
)
def test_mistakes_end_in_a_sentence_and_a_code(arguments, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert "Traceback" not in said


def test_a_folder_of_another_sweep_is_kept_unless_told(runs, tmp_path, capsys):
    (tmp_path / "plan.yaml").write_text("factors: {age: [30]}")
    command = ["sweep", str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "s"), "--yes", "--quiet"]
    command += ["--generator", "simulator"]
    assert main(command) == 0
    (tmp_path / "plan.yaml").write_text("factors: {age: [40]}")
    assert main(command) == 1
    assert "holds design" in (said := capsys.readouterr().err)
    assert "--overwrite" in said
    assert main([*command, "--overwrite"]) == 0


def test_debug_shows_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="age must be between 0 and 120 years, got 430"):
        main(["generate", "--age", "430", "--debug"])
