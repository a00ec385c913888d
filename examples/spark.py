"""Score flights.parquet by carrier with Spark: a state for each carrier and partition, added up by Spark's `sum`.

Needs Java, and `logitloss` on every machine.

    pip install ".[eval]" pyspark
    python examples/spark.py
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from logitloss.evaluate import State
from same_bits import FLIGHTS, check


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
    """Score on Spark, and compare with `logitloss.evaluate.score` to the last bit."""
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    flights = spark.read.parquet(FLIGHTS).repartition(7)  # a file this small is one partition
    sums = (
        flights.mapInArrow(limbs, "carrier string, sum string, index bigint, limb bigint, value bigint")
        .groupBy("carrier", "sum", "index", "limb")
        .agg(F.sum("value").alias("value"))
    )
    added = sums.toArrow()
    spark.stop()
    check(added)


if __name__ == "__main__":
    main()
