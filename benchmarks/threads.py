"""Where a second thread begins to pay: `python benchmarks/threads.py`, half a minute on a machine that is idle else.

It prints the median time of a loss, in nanoseconds per element, with one thread and with two, for arrays of each size.
"""

import statistics
import time

import numpy as np

import xent


def main() -> None:
    """Time both numbers of threads in turn, so that what else goes on meets both."""
    print(f"{'elements':>9} {'1 thread':>9} {'2 threads':>9}")
    for n in (10**4, 2**16, 2**17, 2**18, 2**19, 10**6, 10**7):
        rng = np.random.default_rng(0)
        x = rng.normal(0, 4, n).astype(np.float32)
        z, out = (rng.random(n) < 0.5).astype(np.float32), np.empty_like(x)
        calls, times = max(1, 2**21 // n), {1: [], 2: []}
        for _ in range(15):
            for threads, taken in times.items():
                xent.set_num_threads(threads)
                begin = time.perf_counter()
                for _ in range(calls):
                    xent.ufuncs.sigmoid_cross_entropy(x, z, out=out)
                taken.append((time.perf_counter() - begin) / n / calls * 1e9)
        one, two = map(statistics.median, times.values())
        print(f"{n:9} {one:9.3f} {two:9.3f}")


if __name__ == "__main__":
    main()
