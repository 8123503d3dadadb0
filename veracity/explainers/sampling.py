"""Shapley values estimated from sampled masks with shapiq, within the query budget.

References
----------
KernelSHAP: S. M. Lundberg and S.-I. Lee, NeurIPS 2017. Permutation sampling: J. Castro et al., 2009. SVARM: P. Kolpaczki et
al., AAAI 2024. kADD-SHAP: G. D. Pelegrina et al., 2023; the Shapley values of its second-order model are used. shapiq: M.
Muschalik et al., NeurIPS 2024.
"""

from typing import Any

import numpy as np

from ..detector.decisions import probability
from ..errors import ConfigError
from .task import ExplanationTask

BUDGET = 2048  # default for tasks without a query budget


def kernel_shap(task: ExplanationTask) -> np.ndarray:
    """Return Shapley values of the label's probability, estimated by KernelSHAP."""
    from shapiq import KernelSHAP

    return _estimate_values(task, KernelSHAP)


def permutation_shap(task: ExplanationTask) -> np.ndarray:
    """Return Shapley values of the label's probability, estimated by permutation sampling."""
    from shapiq import PermutationSamplingSV

    return _estimate_values(task, PermutationSamplingSV)


def svarm(task: ExplanationTask) -> np.ndarray:
    """Return Shapley values of the label's probability, estimated by stratified SVARM."""
    from shapiq import SVARM

    return _estimate_values(task, SVARM)


def kadd_shap(task: ExplanationTask) -> np.ndarray:
    """Return Shapley values of a second-order additive model fitted to the label's probability (kADD-SHAP)."""
    from shapiq.approximator import kADDSHAP

    return _estimate_values(task, kADDSHAP, max_order=2)


def _estimate_values(task: ExplanationTask, method: Any, **settings: Any) -> np.ndarray:
    """Return the values of single segments that a shapiq method estimates within the query budget."""
    n = task.grid.n_segments
    budget = BUDGET if task.budget is None else task.budget
    if n < 2 or budget < n + 2:
        raise ConfigError(
            f"explainers.{task.queries.explainer}: requires 2 or more segments and {n + 2} or more queries, got {n} segments "
            f"and a budget of {budget}. Raise the budget, or use a finer grid."
        )
    approximator = method(n, random_state=int(task.rng.integers(2**31)), **settings)
    ends = probability(task.values(np.stack([np.zeros(n, dtype=bool), np.ones(n, dtype=bool)])))

    def game(masks: np.ndarray) -> np.ndarray:  # shapiq evaluates the empty and the full set repeatedly, so both are cached
        rows = np.atleast_2d(masks).astype(bool)
        size = rows.sum(axis=1)
        values = np.where(size == 0, ends[0], ends[1])
        inner = (size > 0) & (size < n)
        if inner.any():
            values[inner] = probability(task.values(rows[inner]))
        return values

    approximated = approximator.approximate(budget=budget - 2, game=game)
    return np.array([approximated[(segment,)] for segment in range(n)])
