"""What of a plan lies beyond what a generator has learnt, before an ECG of it is made."""

from collections import Counter

from discovery.designs import Design
from models.ecg import Generator

MOST = 12
"""Sentences of a plan; continuous factors would have one for each of their values."""


def cautions_of(design: Design, generator: Generator) -> list[str]:
    """The generator's own cautions about the cells of a plan, most frequent first; none where it has none to give.

    Parameters
    ----------
    design : Design
    generator : Generator
        With a method ``cautions(conditions)``, which gives sentences, or without.

    Returns
    -------
    list of str
        A sentence each with the number of cells that it is said of; `MOST` of them, then how many more there are.
    """
    told = getattr(generator, "cautions", None)
    if told is None:
        return []
    counts = Counter(sentence for cell in design.cells for sentence in dict.fromkeys(told(cell)))
    cells = len(design.cells)
    sentences = [f"{sentence} ({count:,} of {cells:,} cells)" for sentence, count in counts.most_common(MOST)]
    left = len(counts) - len(sentences)
    return [*sentences, f"and {left:,} more of this kind"] if left else sentences
