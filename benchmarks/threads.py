"""What one thread and two take for arrays of each size: `python benchmarks/threads.py`, a minute on an idle machine.

It prints the median time of each operation in nanoseconds per element: where a second thread begins to pay, what the
arithmetic takes while the arrays are in the caches, and what is added when they are not. Logits are float32, or what
`python benchmarks/threads.py float16` names; LOGITLOSS_ISA chooses the instruction set.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import logitloss

SIZES = (10**4, 2**16, 2**17, 2**18, 10**6, 2**24)


def operations(n: int, dtype: str) -> dict[str, Callable[[], object]]:
    """Return the calls to time, on logits with hard labels; what they write has its place."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-6, 6, n)
    z = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(dtype)
    x = x.astype(dtype)
    one, two = np.zeros_like(x), np.zeros_like(x)
    return {
        "loss": lambda: logitloss.ufuncs.sigmoid_cross_entropy(x, z, out=one),
        "mean": lambda: logitloss.sigmoid_cross_entropy_total(labels=z, logits=x).mean(),
        "mean and gradient": lambda: logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x, out=one),
        "gradient and hessian": lambda: logitloss.ufuncs.sigmoid_cross_entropy_grad_and_hess(x, z, out=(one, two)),
    }


def main(dtype: str = "float32") -> None:
    """Time both numbers of threads in turn, so that what else goes on meets both."""
    print(f"{'':20} {'elements':>9} {'1 thread':>9} {'2 threads':>9}")
    for n in SIZES:
        for name, call in operations(n, dtype).items():
            calls, times = max(1, 2**21 // n), {1: [], 2: []}
            for _ in range(15):
                for threads, taken in times.items():
                    logitloss.set_num_threads(threads)
                    begin = time.perf_counter()
                    for _ in range(calls):
                        call()
                    taken.append((time.perf_counter() - begin) / n / calls * 1e9)
            one, two = map(statistics.median, times.values())
            print(f"{name:20} {n:9} {one:9.3f} {two:9.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
