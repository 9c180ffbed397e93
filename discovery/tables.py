"""Tables in files: CSV or Parquet, as the ending of the path says."""

from pathlib import Path

import pandas as pd


def read_table(path: Path) -> pd.DataFrame:
    """The table in a CSV or Parquet file."""
    known_table(path)
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, as the ending says."""
    known_table(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)


def known_table(path: Path) -> None:
    """Refuse a table in another format."""
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"table must end in .csv or .parquet, got {path.name!r}")
