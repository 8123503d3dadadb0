"""LIME as an answer to a question: of the perturbation game, or of the clean excerpt too; see `veracity.explainers.lime`."""

import numpy as np

from ..detector.decisions import probability
from ..errors import ConfigError
from . import lime as surrogates
from .question import Question


def lime(question: Question, *, kernel_width: float = 0.25, alpha: float = 1.0) -> np.ndarray:
    """Return the weights of sampled LIME in favour of the label; the whole budget is sampled."""
    masks, p = _sampled(question, _budget(question))
    return surrogates.fit_sampled(masks, p, kernel_width=kernel_width, alpha=alpha).weights


def lime_exact(question: Question, *, kernel_width: float = 0.25, alpha: float = 1.0, n_samples: int = 8192) -> np.ndarray:
    """Return the weights of LIME on all masks, shrunk as by `n_samples` of them."""
    p = probability(question.all_values())
    return surrogates.fit_exact(p, kernel_width=kernel_width, alpha=alpha, n_samples=n_samples).weights


def lime_difference(question: Question, *, kernel_width: float = 0.25, alpha: float = 1.0) -> np.ndarray:
    """Return how LIME's weights of the adversarial excerpt differ from those of the clean one, with the same masks and fill."""
    if question.clean is None:
        raise ConfigError(f"the explainer '{question.meter.explainer}' compares with the clean excerpt: set privileged: true")
    masks, p = _sampled(question, _budget(question) // 2)
    p_clean = probability(question.values(masks, on=question.clean))
    fits = [surrogates.fit_sampled(masks, values, kernel_width=kernel_width, alpha=alpha) for values in (p, p_clean)]
    return fits[0].weights - fits[1].weights


def _budget(question: Question) -> int:
    return 8192 if question.budget is None else question.budget


def _sampled(question: Question, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    masks = surrogates.sample_masks(question.rng, n_samples, question.grid.n_segments)
    return masks, probability(question.values(masks))
