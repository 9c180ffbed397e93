"""A table of measurements, or the generator's latent vectors, as a map on which alike ECGs lie together."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from discovery.claims import nearest

DEFAULT_COLUMNS = (
    "rr_ms", "rr_cv", "p_ms", "pr_ms", "qrs_ms", "qtcf_ms", "tpte_ms", "p_axis_deg", "qrs_axis_deg",
    "t_axis_deg", "sokolow_lyon_mv", "cornell_mv", "r_v5_mv", "st_v2_mv", "st_v5_mv", "t_ii_mv", "t_v2_mv",
    "t_v5_mv",
)  # fmt: skip
MEASURED_SHARE = 0.9  # a default column measured in fewer ECGs would cost the map those ECGs
LARGEST = 8.0  # scaled values are cut here, so that one failed measurement does not stretch the map
SUBSAMPLE = 2000
PLACED_BY = 5  # neighbours that say where another ECG goes; more would draw it towards the middle


@dataclass(frozen=True)
class Scaling:
    """How columns become comparable: (value - median) / quartile range, angles the short way round.

    Parameters
    ----------
    columns : tuple of str
        Empty for an array, whose columns are centred and share one scale.
    centre, scale : ndarray, shape (column,)
    """

    columns: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Scaled values, shape (row, column); NaN stays NaN."""
        return np.clip(_moved(values, self.columns, self.centre) / self.scale, -LARGEST, LARGEST)


@dataclass(frozen=True)
class Settings:
    """What a map was made with: the seed, how many neighbours count, how close points may lie."""

    seed: int
    neighbours: int
    min_distance: float


@dataclass(frozen=True, eq=False)
class UMAPMap:
    """A map of ECGs; `make_map` makes it.

    Parameters
    ----------
    coordinates : ndarray, shape (row, 2)
        One point for each row used; the axes have no unit, and only nearness has a meaning.
    rows : ndarray, shape (row,)
        Index labels of the table's rows that are on the map.
    left_out : int
        Rows left out for a missing value.
    trustworthiness : float
        Whether neighbours on the map are neighbours in the measurements, 0 to 1.
    scaling : Scaling
    features : ndarray, shape (row, column)
        The scaled measurements.
    settings : Settings
    """

    coordinates: np.ndarray
    rows: np.ndarray
    left_out: int
    trustworthiness: float
    scaling: Scaling
    features: np.ndarray
    settings: Settings

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the map was made of; for an array their numbers."""
        return self.scaling.columns or tuple(str(number) for number in range(self.features.shape[1]))

    @property
    def seed(self) -> int:
        """The seed of the layout."""
        return self.settings.seed

    def noise_trustworthiness(self) -> float:
        """The trustworthiness of a map of noise: the same numbers, each column shuffled on its own.

        It grows with few columns and few rows, so only the distance to it says that a map shows structure.
        Takes as long as the map itself took.
        """
        draw = np.random.default_rng(self.seed)
        shuffled = draw.permuted(self.features, axis=0)
        return _trustworthiness(shuffled, _layout(shuffled, self.settings), self.settings)

    def transform(self, table: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Places of other ECGs on this map, shape (row, 2); NaN where a value is missing. See `place`."""
        return self.place(table)[["x", "y"]].to_numpy()

    def place(self, table: pd.DataFrame | np.ndarray) -> pd.DataFrame:
        """Places of other ECGs on this map, one row each, with how far they are from anything on it.

        A point goes to the mean of its five nearest neighbours' places, weighted by 1 / distance. It is no
        new layout: an ECG unlike all of the map is still put somewhere on it, which `far` tells.

        Parameters
        ----------
        table : DataFrame or ndarray
            With the columns the map was made of.

        Returns
        -------
        DataFrame
            ``x``, ``y``; ``distance``, the mean scaled distance to the neighbours; ``far``, whether that is
            more than 99 of 100 points of the map have.
        """
        values, index = _values(table, self.scaling.columns)
        if values.shape[1] != self.features.shape[1]:
            raise ValueError(
                f"table must have the {self.features.shape[1]} columns of the map, got {values.shape[1]}"
            )
        known = np.isfinite(values).all(axis=1)
        placed = pd.DataFrame(np.nan, index, ["x", "y", "distance"]).assign(far=False)
        if known.any():
            count = min(PLACED_BY, len(self.features) - 1)
            own = _neighbours(self.features, self.features, count + 1)[1][:, 1:].mean(axis=1)
            which, distance = _neighbours(self.features, self.scaling.apply(values[known]), count)
            weights = 1 / np.maximum(distance, 1e-9)
            weights /= weights.sum(axis=1, keepdims=True)
            places = np.einsum("ij,ijk->ik", weights, self.coordinates[which])
            mean = distance.mean(axis=1)
            placed.loc[known, ["x", "y", "distance"]] = np.column_stack([places, mean])
            placed.loc[known, "far"] = mean > np.quantile(own, 0.99)
        return placed

    def with_placed(
        self, table: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str] = ("mapped", "placed")
    ) -> tuple["UMAPMap", pd.DataFrame]:
        """The map with other ECGs placed on it, and both tables as one, told apart by the column ``source``.

        The two go to `discovery.plots.plot_map`; rows of `other` with a missing value are left out.
        """
        placed = self.place(other)
        known = placed["x"].notna().to_numpy()
        parts = [table.loc[self.rows].assign(source=names[0]), other[known].assign(source=names[1])]
        joined = pd.concat(parts, ignore_index=True)
        places = np.vstack([self.coordinates, placed.loc[known, ["x", "y"]].to_numpy()])
        features = np.vstack(
            [self.features, self.scaling.apply(_values(other[known], self.scaling.columns)[0])]
        )
        whole = replace(self, coordinates=places, rows=joined.index.to_numpy(), features=features)
        return whole, joined

    def covariates(self, table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        """How well each column can be read off the map, from the neighbours of each point.

        Every ECG's value is foretold from its nearest neighbours on the map, itself and the ECGs of its own
        seed left out (cross-validation, leaving one heart out).

        Parameters
        ----------
        table : DataFrame
            The table the map was made of.
        columns : sequence of str
            Numbers or words.

        Returns
        -------
        DataFrame
            ``column``; ``score``, of a number R2 (1 read exactly, 0 not at all), of words the balanced
            accuracy; ``chance``, the score of a map that knows nothing; ``kind``, the score's name; ``n``.
        """
        for column in columns:
            if column not in table:
                mend = nearest(column, table.columns)
                raise ValueError(f"columns must be columns of the table, got {column!r}: {mend}")
        used = table.loc[self.rows]
        hearts = used["seed"].fillna(-1).to_numpy() if "seed" in used else np.full(len(used), -1)
        return pd.DataFrame([_read_out(self, used[column], hearts) for column in columns])

    def __str__(self) -> str:
        return (
            f"map of {len(self.rows)} ECGs ({self.left_out} left out for missing values) by "
            f"{self.features.shape[1]} columns, seed {self.seed}, trustworthiness {self.trustworthiness:.2f}"
        )


def make_map(
    table: pd.DataFrame | np.ndarray,
    columns: Sequence[str] | None = None,
    *,
    seed: int = 0,
    neighbours: int = 15,
    min_distance: float = 0.1,
) -> UMAPMap:
    """A UMAP of measured ECGs, or of latent vectors: the same seed gives the same map.

    Columns of a table are scaled by median and quartile range; the columns of an array are centred and share
    one scale. Rows with a missing value are left out and counted. Neighbours are exact.

    Parameters
    ----------
    table : DataFrame or ndarray, shape (row, column)
    columns : sequence of str, optional
        Numeric columns; by default those of `DEFAULT_COLUMNS` that vary and were measured in 9 of 10 ECGs.
    seed : int
        Of the layout.
    neighbours : int
        How many count as near: fewer show detail, more the whole.
    min_distance : float
        How close points may lie on the map, 0 to 1.

    Raises
    ------
    ValueError
        Where a column is missing or does not vary, or fewer than 5 rows are complete.

    Source: McInnes, Healy and Melville, arXiv 1802.03426.
    """
    if not 2 <= neighbours:
        raise ValueError(f"neighbours must be 2 or more, got {neighbours}")
    if not 0 <= min_distance <= 1:
        raise ValueError(f"min_distance must be between 0 and 1, got {min_distance:g}")
    if isinstance(table, pd.DataFrame):
        if not table.index.is_unique:
            raise ValueError("table must have one label for each row, got some twice: reset_index(drop=True)")
        columns = tuple(_default_columns(table) if columns is None else columns)
    elif columns is not None:
        raise ValueError(f"columns must be left out for an array, got {columns!r}: select them beforehand")
    values, index = _values(table, columns or ())
    known = np.isfinite(values).all(axis=1)
    if known.sum() < 5:
        raise ValueError(
            f"table must have 5 or more rows without a missing value, got {known.sum()} of {len(known)}: "
            "leave out the columns that are seldom measured"
        )
    scaling = _scaling(values[known], columns or ())
    features = scaling.apply(values[known])
    settings = Settings(int(seed), min(int(neighbours), len(features) - 1), float(min_distance))
    coordinates = _layout(features, settings)
    trust = _trustworthiness(features, coordinates, settings)
    return UMAPMap(coordinates, index[known], int((~known).sum()), trust, scaling, features, settings)


def warm_up() -> None:
    """Compile UMAP on a toy map, ten seconds once a process: call it in a thread before the first map."""
    points = np.random.default_rng(0).normal(size=(30, 3))
    _layout(points, Settings(0, 5, 0.1))


def _default_columns(table: pd.DataFrame) -> list[str]:
    """The default columns that this table can be mapped by."""
    there = [name for name in DEFAULT_COLUMNS if name in table]
    good = [
        name for name in there if table[name].notna().mean() >= MEASURED_SHARE and table[name].nunique() > 1
    ]
    if len(good) < 2:
        raise ValueError(
            f"columns must be named, got none and only {len(good)} of the default ones vary in this table"
        )
    return good


def _values(table: pd.DataFrame | np.ndarray, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers to map, shape (row, column), and the label of each row."""
    if not isinstance(table, pd.DataFrame):
        values = np.array(table, dtype=float)
        if values.ndim != 2 or columns:
            wanted = f"the columns {', '.join(columns)}" if columns else "the shape (row, column)"
            raise ValueError(f"table must have {wanted}, got an array of shape {values.shape}")
        return values, np.arange(len(values))
    for column in columns:
        if column not in table:
            mend = nearest(column, table.columns)
            raise ValueError(f"columns must be columns of the table, got {column!r}: {mend}")
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(
                f"columns must be numbers, got {column!r} of {table[column].dtype}: leave it out"
            )
    if not columns:
        raise ValueError("table must be an array for this map, got a table: the map was made of an array")
    return table[list(columns)].to_numpy(dtype=float, copy=True), table.index.to_numpy()


def _scaling(values: np.ndarray, columns: tuple[str, ...]) -> Scaling:
    """Medians and quartile ranges; of an array one scale for all, so that idle dimensions stay idle."""
    centre = np.median(values, axis=0)
    for number in _angles(columns):
        turns = np.radians(values[:, number])
        centre[number] = np.degrees(np.arctan2(np.sin(turns).mean(), np.cos(turns).mean()))
    shifted = _moved(values, columns, centre)
    spread = np.ptp(np.quantile(shifted, [0.25, 0.75], axis=0), axis=0)
    spread = np.where(spread > 0, spread, shifted.std(axis=0))
    if not columns:
        spread = np.full(len(centre), np.sqrt(np.mean(spread**2)))
    still = [name for name, width in zip(columns or ("all",), spread, strict=False) if not width > 0]
    if still:
        raise ValueError(f"columns must vary, got {', '.join(still)} with one value only: leave it out")
    return Scaling(columns, centre, spread)


def _angles(columns: Sequence[str]) -> list[int]:
    """Which columns are angles, in degrees."""
    return [number for number, name in enumerate(columns) if name.endswith("_axis_deg")]


def _moved(values: np.ndarray, columns: Sequence[str], centre: np.ndarray) -> np.ndarray:
    """Values minus their centres, angles the short way round."""
    moved, angles = values - centre, _angles(columns)
    moved[:, angles] = (moved[:, angles] + 180) % 360 - 180
    return moved


def _neighbours(points: np.ndarray, others: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `points` nearest to each of `others`, and their distances, each of shape (other, count)."""
    from sklearn.neighbors import NearestNeighbors  # takes over a second to import

    count = min(count, len(points))
    distance, which = NearestNeighbors(n_neighbors=count).fit(points).kneighbors(others)
    return which, distance


def _layout(features: np.ndarray, settings: Settings) -> np.ndarray:
    """UMAP's places for points, from exact neighbours, which spares compiling the approximate search."""
    warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
    warnings.filterwarnings("ignore", "The umap.parametric_umap package requires Tensorflow", UserWarning)
    warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
    from umap import UMAP  # takes seconds to import

    which, distance = _neighbours(features, features, settings.neighbours)
    layout = UMAP(
        n_neighbors=settings.neighbours,
        min_dist=settings.min_distance,
        init="pca",
        random_state=settings.seed,
        n_jobs=1,
        precomputed_knn=(which.astype(np.int32), distance.astype(np.float32)),
    )
    return np.asarray(layout.fit_transform(features), dtype=float)


def _trustworthiness(features: np.ndarray, coordinates: np.ndarray, settings: Settings) -> float:
    """Trustworthiness of the map, on a subsample where there are many points.

    Source: Venna and Kaski, ICANN 2001.
    """
    from sklearn.manifold import trustworthiness  # takes over a second to import

    chosen = np.random.default_rng(settings.seed).permutation(len(features))[:SUBSAMPLE]
    count = max(1, min(settings.neighbours, (len(chosen) - 1) // 2))
    return float(trustworthiness(features[chosen], coordinates[chosen], n_neighbors=count))


def _read_out(umap_map: UMAPMap, column: pd.Series, hearts: np.ndarray) -> dict[str, Any]:
    """How well one column is foretold by the neighbours on the map."""
    known = column.notna().to_numpy()
    points, hearts, column = umap_map.coordinates[known], hearts[known], column[known]
    numeric = pd.api.types.is_numeric_dtype(column)
    row = {"column": column.name, "score": np.nan, "chance": np.nan, "kind": "R2" if numeric else "accuracy"}
    row["n"] = len(points)
    if column.nunique() < 2:
        return row
    votes = _votes(points, hearts, umap_map.settings.neighbours)
    if numeric:
        truth = column.to_numpy(dtype=float)
        foretold = (votes @ truth) / np.maximum(votes.sum(axis=1), 1)
        score = 1 - np.sum((truth - foretold) ** 2) / np.sum((truth - truth.mean()) ** 2)
        return row | {"score": float(score), "chance": 0.0}
    codes, levels = pd.factorize(column)
    foretold = (votes @ np.eye(len(levels))[codes]).argmax(axis=1)
    hits = pd.Series(foretold == codes).groupby(codes).mean()
    return row | {"score": float(hits.mean()), "chance": 1 / len(levels)}


def _votes(points: np.ndarray, hearts: np.ndarray, neighbours: int) -> csr_array:
    """A sparse matrix, 1 where a point is a neighbour of another heart, shape (point, point)."""
    largest = int(pd.Series(hearts[hearts >= 0]).value_counts().max()) if (hearts >= 0).any() else 1
    count = min(neighbours + largest, len(points))
    which = cKDTree(points).query(points, k=count)[1]
    mine = (hearts[which] == hearts[:, None]) & (hearts[:, None] >= 0)
    other = ~mine & (which != np.arange(len(points))[:, None])
    other &= np.cumsum(other, axis=1) <= neighbours
    rows = np.nonzero(other)[0]
    return csr_array((np.ones(len(rows)), (rows, which[other])), shape=(len(points), len(points)))
