"""What each verb of the command line takes."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from discovery.cli_help import DESCRIPTION, EXAMPLES
from discovery.filing import folder_at
from discovery.remote import Remote

VERBS = "generate | sweep | show | export | measure | map | test | report | study | calibrate"
Work = Callable[[argparse.Namespace], int]


def parser_of(works: Mapping[str, Work]) -> argparse.ArgumentParser:
    """The parser of all verbs; `works` has the function of each."""
    wide = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("discovery", description=DESCRIPTION, formatter_class=wide)
    verbs = parser.add_subparsers(metavar=VERBS, required=True)

    def verb(name: str) -> argparse.ArgumentParser:
        work = works[name]
        made = verbs.add_parser(name, description=work.__doc__, epilog=EXAMPLES[name], formatter_class=wide)
        made.set_defaults(verb=work)
        made.add_argument("--debug", action="store_true", help="show where an error arose")
        made.add_argument("--quiet", action="store_true", help="no progress bars")
        return made

    _generate_options(verb("generate"))
    _sweep_options(verb("sweep"))
    made = verb("show")
    made.add_argument("folder", type=_place, help="folder or URL of a sweep, or folder of a study")
    made.add_argument("--verify", action="store_true", help="read every byte and check it")
    made = verb("export")
    made.add_argument("folder", type=_place, help="folder or URL of a sweep, or folder of a study")
    made.add_argument(
        "--out", type=Path, required=True, help="a new folder, or a name that ends in .npz or .csv"
    )
    made.add_argument("--query", help="which ECGs, as in \"age > 60 and sex == 'female'\"; all if not said")
    _measure_options(verb("measure"))
    made = verb("map")
    made.add_argument("table", type=Path, help="table of measurements, .csv or .parquet")
    made.add_argument("--color", nargs="+", metavar="COLUMN", help="one panel for each")
    made.add_argument("--columns", nargs="+", metavar="COLUMN", help="what the map is made of")
    made.add_argument("--seed", type=int, default=0, help="of the layout")
    made.add_argument("--out", type=Path, default=Path("map.png"), help=".png, .svg or .pdf")
    made = verb("test")
    made.add_argument("folder", type=Path, help="folder of a sweep, or hypotheses.yaml in it")
    made.add_argument("--hypotheses", type=Path, help="YAML file; without, those frozen in the folder")
    made.add_argument(
        "--adjust", choices=("holm", "bh"), default="holm", help="holm: few claims; bh: a screen"
    )
    made.add_argument("--out", type=Path, help="findings as .csv or .parquet")
    made = verb("report")
    made.add_argument("folder", type=Path, help="folder of a sweep or study")
    made.add_argument("--out", type=Path, help="HTML file; FOLDER/report.html if not said")
    made = verb("study")
    made.add_argument("--out", type=Path, default=Path("runs/first-study"), help="folder; %(default)s")
    made.add_argument("--quick", action="store_true", help="a tenth of the ECGs")
    made.add_argument("--overwrite", action="store_true", help="remove the ECGs of another generator there")
    made.add_argument("--no-instrument", action="store_true", help="leave out the simulated check")
    _generator_option(made)
    _calibrate_options(verb("calibrate"))
    return parser


def _measure_options(made: argparse.ArgumentParser) -> None:
    """What `discovery measure` takes."""
    made.add_argument("paths", type=_place, nargs="+", help="a sweep's folder, or files and folders of ECGs")
    made.add_argument("--out", type=Path, help="table.csv (the default) or .parquet")
    made.add_argument("--workers", type=int, default=1, help="processes that share the ECGs")
    made.add_argument(
        "--draws", type=int, default=0, help="draw the beats so often again for pr_se_ms and its like; 8, say"
    )
    made.add_argument("--second-opinion", action="store_true", help="also ask NeuroKit2 lead by lead; slow")


def _calibrate_options(made: argparse.ArgumentParser) -> None:
    """What `discovery calibrate` takes."""
    made.add_argument("weights", help="name of bundled weights, or a checkpoint file of models.training")
    made.add_argument("data", type=Path, help="folder of the records that it was trained on")
    made.add_argument("--out", type=Path, required=True, help="checkpoint file; may be the one that is read")
    made.add_argument("--layout", choices=("ptb-xl", "mimic-iv-ecg"), default="ptb-xl", help="%(default)s")
    made.add_argument("--patients", type=Path, help="patients.csv of MIMIC-IV, for ages and sexes")
    made.add_argument("--test-fold", type=int, default=10, help="left out, as in training; %(default)s")
    made.add_argument("--sets", type=int, default=4, help="ECGs generated for each record; %(default)s")
    made.add_argument("--rounds", type=int, default=2, help="times it is measured and moved; %(default)s")
    made.add_argument("--workers", type=int, default=1, help="processes that measure")


def _sweep_options(made: argparse.ArgumentParser) -> None:
    """What `discovery sweep` takes."""
    made.add_argument("plan", type=Path, help="YAML file: base, factors, repeats, seed")
    made.add_argument("--out", type=_place, required=True, help="folder or URL of the sweep")
    made.add_argument("--hypotheses", type=Path, help="YAML file of hypotheses to freeze beforehand")
    made.add_argument("--yes", action="store_true", help="make it without asking")
    made.add_argument("--measure", action="store_true", help="measure while the next ECGs are made")
    made.add_argument("--workers", type=int, default=1, help="processes that measure")
    made.add_argument("--overwrite", action="store_true", help="remove another sweep that lies there")
    _generator_option(made)


def _generate_options(made: argparse.ArgumentParser) -> None:
    """What `discovery generate` takes."""
    made.add_argument("--age", type=float, help="years")
    made.add_argument("--sex", help="female or male")
    made.add_argument("--hr", type=float, metavar="BPM", help="heart rate")
    made.add_argument("--text", help="report; statements may be separated by |")
    made.add_argument("--seed", type=int, default=0, help="which heart; --n hearts from here on")
    made.add_argument("--n", type=int, default=1, help="how many ECGs")
    made.add_argument("--layout", choices=("3x4", "6x2", "12x1"), default="3x4", help="of pictures")
    made.add_argument("--plain", action="store_true", help="pictures without measurements")
    made.add_argument("--out", type=Path, default=Path("ecg.png"), help="%(default)s if not said")
    _generator_option(made)


def _generator_option(made: argparse.ArgumentParser) -> None:
    """Which generator."""
    words = "ptbxl (bundled), simulator (known truth), the path of a checkpoint, or a folder of DiffuSETS' weights"
    words += "; %(default)s if not said"
    made.add_argument("--generator", default="ptbxl", help=words)


def _place(words: str) -> Path | Remote:
    """A path, or the folder of a URL."""
    try:
        return folder_at(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
