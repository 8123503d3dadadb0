"""LIME as an explainer of an `ExplanationTask`; see `veracity.explainers.lime` for the surrogate."""

import numpy as np

from ..detector.decisions import probability
from ..errors import ConfigError
from . import lime as surrogates
from .task import ExplanationTask


def lime(task: ExplanationTask, *, kernel_width: float = 0.25, alpha: float = 1.0) -> np.ndarray:
    """Return the weights of sampled LIME, signed in favour of the label; the number of masks is the query budget.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task. Without a query budget, 8192 masks are sampled.
    kernel_width : float
        Width of the kernel in cosine distance, 0.25 by default.
    alpha : float
        Ridge penalty, 1 by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Weight of each segment.
    """
    masks, p = _sampled(task, _budget(task))
    return surrogates.fit_sampled(masks, p, kernel_width=kernel_width, alpha=alpha).weights


def lime_exact(task: ExplanationTask, *, kernel_width: float = 0.25, alpha: float = 1.0, n_samples: int = 8192) -> np.ndarray:
    """Return the weights of LIME fitted to all masks, with the shrinkage of a fit to `n_samples` masks.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task.
    kernel_width : float
        Width of the kernel in cosine distance, 0.25 by default.
    alpha : float
        Ridge penalty, 1 by default.
    n_samples : int
        Number of masks of the sampled fit whose shrinkage is matched, 8192 by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Weight of each segment.
    """
    p = probability(task.all_values())
    return surrogates.fit_exact(p, kernel_width=kernel_width, alpha=alpha, n_samples=n_samples).weights


def lime_difference(task: ExplanationTask, *, kernel_width: float = 0.25, alpha: float = 1.0) -> np.ndarray:
    """Return the weights of sampled LIME for the adversarial excerpt minus those for the clean excerpt.

    Both fits use the same masks and the same fill. Each uses half of the query budget.

    Parameters
    ----------
    task : ExplanationTask
        Explanation task with access to the clean excerpt.
    kernel_width : float
        Width of the kernel in cosine distance, 0.25 by default.
    alpha : float
        Ridge penalty, 1 by default.

    Returns
    -------
    ndarray, shape (n_segments,)
        Difference of the weights of each segment.

    Raises
    ------
    ConfigError
        If the explainer has no access to the clean excerpt.
    """
    if task.clean is None:
        raise ConfigError(f"explainers.{task.queries.explainer}: requires the clean excerpt. Set privileged: true.")
    masks, p = _sampled(task, _budget(task) // 2)
    p_clean = probability(task.values(masks, on=task.clean))
    fits = [surrogates.fit_sampled(masks, values, kernel_width=kernel_width, alpha=alpha) for values in (p, p_clean)]
    return fits[0].weights - fits[1].weights


def _budget(task: ExplanationTask) -> int:
    return 8192 if task.budget is None else task.budget


def _sampled(task: ExplanationTask, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    masks = surrogates.sample_masks(task.rng, n_samples, task.grid.n_segments)
    return masks, probability(task.values(masks))
