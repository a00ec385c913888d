"""Score flights.parquet by carrier with Spark: a state for each carrier and partition, added up by Spark's `sum`.

Needs Java, and `xent` on every machine.

    pip install ".[eval]" pyspark
    python examples/spark.py
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from xent.evaluate import State, score

FLIGHTS = str(Path(__file__).with_name("flights.parquet"))


def limbs(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The states of the carriers in one partition, as rows of limbs."""
    states = defaultdict(State)
    for batch in batches:
        carriers = batch["carrier"].dictionary_encode(null_encoding="encode")
        labels, logits = (batch[name].to_numpy(zero_copy_only=False) for name in ("late", "logit"))
        for i, carrier in enumerate(carriers.dictionary.to_pylist()):
            rows = carriers.indices.to_numpy() == i
            states[carrier].update(labels[rows], logits[rows])
    for carrier, state in states.items():
        table = state.to_arrow()
        yield from table.add_column(0, "carrier", pa.array([carrier] * len(table), pa.string())).to_batches()


def main() -> None:
    """Score on Spark, and compare with `xent.evaluate.score` to the last bit."""
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    flights = spark.read.parquet(FLIGHTS).repartition(7)  # a file this small is one partition
    sums = (
        flights.mapInArrow(limbs, "carrier string, sum string, index bigint, limb bigint, value bigint")
        .groupBy("carrier", "sum", "index", "limb")
        .agg(F.sum("value").alias("value"))
    )
    states = defaultdict(State)
    for carrier, *limb in sums.collect():
        states[carrier].add_limb(*limb)
    spark.stop()

    whole = State()
    for state in states.values():
        whole.merge(state)
    report = score(FLIGHTS, logits="logit", labels="late", by="carrier")
    assert repr(whole.compute()) == repr(report.overall)
    assert (whole.bins(), whole.losses()) == (report.bins, report.losses)
    assert len(states) == len(report.groups)
    for group in report.groups:
        assert repr(states[group.key[0]].compute()) == repr(group.score)
    print(f"{len(states)} carriers, {whole.compute().rows} flights, mean loss {whole.compute().mean_loss}: bits equal")


if __name__ == "__main__":
    main()
