"""The benchmark's Markdown, its place in a model card, and its pictures."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from discovery.benchmark import Trial, markdown_table
from discovery.benchmark_plots import plot_amplitudes, plot_quantities, plot_scores, plot_spectra
from discovery.style import save_figure

CARD_MARK = "## Measured"


def card_mark(fold: int) -> str:
    """Heading of what was measured on a fold; fold 9 is the one that choices were made on."""
    return CARD_MARK if fold == 9 else f"## Fold {fold}"


def card_text(table: pd.DataFrame, facts: Mapping[str, object], whole: bool = True) -> str:
    """The benchmark as the measured part of a model card: all levels, or the goals alone."""
    met = table["verdict"].value_counts()
    goals = ", ".join(
        f"{word}: {met[word]}" for word in ("goal", "must", "missed", "not measured") if word in met
    )
    parts = [
        f"Generator {facts['generator']}, digest {facts['digest']}; command: `python benchmarks/generator.py FOLDER"
        f"{'' if facts['fold'] == 9 else ' --fold ' + str(facts['fold'])}`. Judged on {facts['records']} records of "
        f"fold {facts['fold']} and {facts['generated']} ECGs generated with their conditions; the column 'records' "
        f"holds the same number for records, from {facts['training records']} of the training folds. Intervals are "
        "95 %, by bootstrap or Wilson.",
        f"### Goals\n\n{goals}\n\n{markdown_table(table, unmet=True)}",
    ]
    for level, part in table[table["level"] != ""].groupby("level", sort=False) if whole else ():
        parts.append(f"### All of the level '{level}'\n\n{markdown_table(part)}")
    return "\n\n".join(parts) + "\n"


def put_in_card(card: Path, text: str, mark: str = CARD_MARK) -> None:
    """Replace one part of a model card, from its heading to the next of the same rank or the end; added where new."""
    before, found, after = card.read_text().partition(f"{mark}\n")
    following = after.find("\n## ")
    rest = after[following:] if following >= 0 else ""
    card.write_text(f"{before}{'' if found else chr(10)}{mark}\n\n{text}{rest}")


def save_pictures(folder: Path, trial: Trial, table: pd.DataFrame) -> None:
    """Pictures of the goals, the quantities, the spectra and the amplitudes."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "quantities": plot_quantities(trial),
        "spectra": plot_spectra(trial),
        "amplitudes": plot_amplitudes(trial),
    }
    if (table["verdict"] != "").any():
        pictures["goals"] = plot_scores(table)
    for name, figure in pictures.items():
        save_figure(figure, folder / f"{name}.png")
