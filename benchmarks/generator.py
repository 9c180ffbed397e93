"""How well a generator obeys and resembles: `python benchmarks/generator.py PTB-XL-FOLDER [--card FILE]`.

Prints every score beside the same of recorded ECGs, and writes it as JSON, Markdown and pictures. Any generator that
satisfies the protocol can be judged: a bundled name, a checkpoint, or `module:callable` that makes one. Records
judge on one held-out fold (9, which also served to choose; `--fold 8` where a generator was trained without it);
the networks that judge are trained on the other folds up to 8. A second run resumes what the first has kept under
`training/`.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
from generator_levels import LEVELS, Bench, class_of, levels
from generator_report import card_mark, card_text, put_in_card, save_pictures
from generator_sets import QUICK, Plan, bring, recorded, trial_of

from discovery.benchmark import Score, markdown_table, scores_table
from discovery.goals import GOALS


def main() -> None:
    """The command line."""
    chosen = arguments()
    start = time.monotonic()
    generator, records = bring(chosen.generator), recorded(chosen.folder)
    plan = QUICK if chosen.quick else Plan(count=chosen.count, others=chosen.others, each=chosen.each)
    plan = replace(plan, fold=chosen.fold)
    bench = Bench(generator, chosen.generator, plan, class_of(Path(chosen.folder)))
    trial = trial_of(generator, records, plan)
    scores: list[Score] = []
    for name, found in levels(trial, bench, chosen.only):
        print(f"\n## {name} ({(time.monotonic() - start) / 60:.1f} min)\n")
        print(markdown_table(scores_table(found)), flush=True)
        scores += found
    table = scores_table(scores, [] if chosen.only else GOALS)
    if chosen.only:
        kept = {score.property for score in scores}
        table = scores_table(scores, [goal for goal in GOALS if goal.property in kept])
    facts = {
        "generator": generator.name,
        "digest": generator.digest,
        "fold": plan.fold,
        "records": len(trial.real),
        "generated": sum(map(len, trial.twins)),
        "training records": len(trial.others),
        "minutes": round((time.monotonic() - start) / 60, 1),
    }
    text = card_text(table, facts)
    print("\n# Goals\n")
    print(markdown_table(table, unmet=True))
    write(Path(chosen.out), table, facts, text)
    save_pictures(Path(chosen.out), trial, table)
    if chosen.card:
        put_in_card(Path(chosen.card), card_text(table, facts, whole=plan.fold == 9), card_mark(plan.fold))
    print(f"\n{facts}\nWritten to {chosen.out}")


def arguments() -> argparse.Namespace:
    """What was asked on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder of PTB-XL")
    parser.add_argument("--generator", default="ptbxl", help="name, checkpoint file or module:callable")
    parser.add_argument(
        "--count", type=int, default=1000, help="generated ECGs with held-out conditions, at least"
    )
    parser.add_argument("--others", type=int, help="training records for floors and judges; all unless said")
    parser.add_argument("--each", type=int, default=180, help="generated ECGs per rate and per bare text")
    parser.add_argument("--fold", type=int, default=9, choices=range(1, 11), help="the fold that judges")
    parser.add_argument("--out", default="runs/benchmark", help="folder of the table and the pictures")
    parser.add_argument("--card", help="model card whose measured part is to be replaced")
    parser.add_argument("--quick", action="store_true", help="a rough answer in a few minutes")
    parser.add_argument(
        "--only", action="append", default=[], choices=list(LEVELS), help="one level; may be repeated"
    )
    return parser.parse_args()


def write(folder: Path, table: pd.DataFrame, facts: dict[str, object], text: str) -> None:
    """The table as JSON and Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = json.loads(table.to_json(orient="records"))
    (folder / "benchmark.json").write_text(json.dumps({**facts, "scores": rows}, indent=1) + "\n")
    (folder / "benchmark.md").write_text(f"# Benchmark of a generator\n\n{text}")


if __name__ == "__main__":
    main()
