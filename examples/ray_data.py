"""Score flights.parquet by carrier with Ray Data: a state for each carrier and block, added up by Ray's `Sum`.

Needs `logitloss` on every machine.

    pip install ".[eval]" "ray[data]"
    python examples/ray_data.py
"""

from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa
import ray
from ray.data.aggregate import Sum

from logitloss.evaluate import State
from same_bits import FLIGHTS, check


def limbs(block: pa.Table) -> Iterator[pa.Table]:
    """The states of the carriers in one block, as rows of limbs."""
    states = defaultdict(State)
    for batch in block.to_batches():
        carriers = batch["carrier"].dictionary_encode(null_encoding="encode")
        labels, logits = (batch[name].to_numpy(zero_copy_only=False) for name in ("late", "logit"))
        for i, carrier in enumerate(carriers.dictionary.to_pylist()):
            rows = carriers.indices.to_numpy() == i
            states[carrier].update(labels[rows], logits[rows])
    for carrier, state in states.items():
        table = state.to_arrow()
        yield table.add_column(0, "carrier", pa.array([carrier] * len(table), pa.string()))


def main() -> None:
    """Score on Ray, and compare with `logitloss.evaluate.score` to the last bit."""
    ray.init(num_cpus=2)
    flights = ray.data.read_parquet(FLIGHTS).repartition(7)  # a file this small is one block
    sums = (
        flights.map_batches(limbs, batch_format="pyarrow", batch_size=None)
        .groupby(["carrier", "sum", "index", "limb"])
        .aggregate(Sum("value", alias_name="value"))
    )
    added = pa.concat_tables(ray.get(sums.to_arrow_refs()))
    ray.shutdown()
    check(added)


if __name__ == "__main__":
    main()
