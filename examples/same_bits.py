"""The end of spark.py and ray_data.py: what an engine added up, beside what `logitloss.evaluate.score` finds."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from logitloss.evaluate import State, score

FLIGHTS = str(Path(__file__).with_name("flights.parquet"))


def check(limbs: pa.Table) -> None:
    """Assert that they are equal to the last bit; `limbs` are those of all carriers, with a column that names them."""
    report = score(FLIGHTS, logits="logit", labels="late", by="carrier")
    whole = State.from_arrow(limbs)
    assert (whole.compute(), whole.bins(), whole.losses()) == (report.overall, report.bins, report.losses)
    assert set(limbs["carrier"].to_pylist()) == {group.key[0] for group in report.groups}
    for group in report.groups:
        one = State.from_arrow(limbs.filter(pc.field("carrier") == group.key[0]))
        assert one.compute() == group.score
    rows, loss = report.overall.rows, report.overall.mean_loss
    print(f"{len(report.groups)} carriers, {rows} flights, mean loss {loss}: bits equal")
