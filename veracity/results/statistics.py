"""Proportions with confidence intervals for tables."""

import numpy as np


def proportion(successes: float, n: int) -> dict[str, float]:
    """Return ``n``, ``percent`` and its 95 % interval (Wilson's); NaN for n = 0.

    Examples
    --------
    >>> {name: round(float(value), 1) for name, value in proportion(9, 10).items()}
    {'n': 10.0, 'percent': 90.0, 'percent_low': 59.6, 'percent_high': 98.2}
    """
    from scipy.stats import binomtest

    if n == 0:
        return {"n": 0, "percent": np.nan, "percent_low": np.nan, "percent_high": np.nan}
    interval = binomtest(round(successes), n).proportion_ci(method="wilson")
    return {"n": n, "percent": 100 * successes / n, "percent_low": 100 * interval.low, "percent_high": 100 * interval.high}
