"""How many threads one call may use."""

from . import _checks, _core


def get_num_threads() -> int:
    """Return the largest number of threads that one call may use.

    The default is the number of processors this process may use, or ``LOGITLOSS_NUM_THREADS`` from the environment.
    Results do not depend on it.
    """
    return _core.num_threads()


def set_num_threads(n: int) -> None:
    """Let every later call use up to ``n`` threads.

    Threads are started for arrays that pay for them, wait for the next ones, and end before the process forks. Results
    do not depend on ``n``.

    Raises
    ------
    TypeError
        If ``n`` is not an integer.
    ValueError
        If ``n`` is not between 1 and 65536.
    """
    _core.set_num_threads(_checks.num_threads(n))
