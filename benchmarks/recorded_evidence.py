"""Puts the claims of the first study to recorded ECGs: `python benchmarks/recorded_evidence.py FOLDER`.

Prints the findings and writes `discovery/recorded_ptbxl.json`, the recorded column of the first report.
"""

import argparse

import pandas as pd
from tqdm.auto import tqdm

from discovery.hypotheses import compare
from discovery.measure import measure
from discovery.recorded import BUNDLED, label_texts, save_findings
from discovery.study_claims import AV_BLOCK, DENIED_QRS, FIBRILLATION, HYPOTHESES, LBBB, NORMAL, RATE, RBBB
from models.records import open_ptbxl

TEXTS = {
    NORMAL: ("NORM",),
    LBBB: ("CLBBB",),
    RBBB: ("CRBBB",),
    AV_BLOCK: ("1AVB",),
    FIBRILLATION: ("AFIB",),
}
ONLY_ASKED = (RATE, DENIED_QRS)
"""Claims about what was asked: records were not asked anything."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="folder of PTB-XL")
    parser.add_argument("--out", default=str(BUNDLED))
    chosen = parser.parse_args()
    records = open_ptbxl(chosen.folder)
    batches = tqdm(records.batches(64), desc="measuring", unit="batch", total=-(-len(records) // 64))
    measured = pd.concat([measure(ecg) for ecg in batches], ignore_index=True)
    known = records.table.reset_index(drop=True)
    measured = measured.drop(columns=[name for name in measured if name in known])
    table = label_texts(pd.concat([known, measured], axis=1), TEXTS)
    table = table.assign(heart_rate=table["rate_bpm"]).dropna(subset=["age", "sex"])
    claims = [claim for claim in HYPOTHESES if claim not in ONLY_ASKED]
    findings = [compare(table, claim, paired=False) for claim in claims]
    for finding in findings:
        print(finding)
    folds = sorted(known["fold"].unique())
    source = (
        f"{len(records):,} records of PTB-XL 1.0.3, folds {folds[0]} to {folds[-1]} "
        "(Wagner et al. 2020, doi 10.1038/s41597-020-0495-6, CC BY 4.0); "
        "the bundled generator was trained on folds 1 to 7"
    )
    print(save_findings(chosen.out, findings, source))


if __name__ == "__main__":
    main()
