"""The special values of the losses: infinities, nan, zeros, labels outside of [0, 1], with the results that are due."""

import math

inf, nan = math.inf, math.nan
LN2 = "ln 2"  # as a result: the number of the dtype that is closest to it

# x, z, loss, gradient, hessian; None: as without the label
EDGES = [
    (+inf, 0.0, inf, 1.0, 0.0),
    (+inf, 0.5, inf, 0.5, 0.0),
    (+inf, 1.0, 0.0, 0.0, 0.0),
    (+inf, -1.0, inf, 2.0, 0.0),
    (+inf, 2.0, -inf, -1.0, 0.0),
    (-inf, 0.0, 0.0, 0.0, 0.0),
    (-inf, 0.5, inf, -0.5, 0.0),
    (-inf, 1.0, inf, -1.0, 0.0),
    (-inf, -1.0, -inf, 1.0, 0.0),
    (-inf, 2.0, inf, -2.0, 0.0),
    *[(nan, z, nan, nan, nan) for z in (0.0, 0.5, 1.0, -1.0, 2.0, nan, inf)],
    *[(x, z, LN2, 0.5 - z, 0.25) for x in (0.0, -0.0) for z in (0.0, 0.5, 1.0, -1.0, 2.0)],
    (3.0, nan, nan, nan, None),
    (3.0, inf, -inf, -inf, None),
    (3.0, -inf, inf, inf, None),
    (-3.0, inf, inf, -inf, None),
    (-3.0, -inf, -inf, inf, None),
    (0.0, inf, nan, -inf, 0.25),
    (0.0, -inf, nan, inf, 0.25),
]

# row, label, loss, gradient
SOFTMAX_EDGES = [
    ([inf, 1, 2], 0, 0.0, [0.0, 0.0, 0.0]),
    ([inf, 1, 2], 1, inf, [1.0, -1.0, 0.0]),
    ([inf, inf, 2], 0, nan, [nan] * 3),
    ([inf, -inf, 2], 0, 0.0, [0.0, 0.0, 0.0]),
    ([-inf, 1, 1], 0, inf, [-1.0, 0.5, 0.5]),
    ([-inf, 3, -inf], 1, 0.0, [0.0, 0.0, 0.0]),
    ([-inf] * 3, 1, nan, [nan] * 3),
    ([nan, 1, 2], 1, nan, [nan] * 3),
    ([nan, inf, 2], 1, nan, [nan] * 3),
    ([7.0], 0, 0.0, [0.0]),
    ([3.0, 3.0], 1, math.log(2), [0.5, -0.5]),
]
