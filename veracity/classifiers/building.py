"""Construction of the configured classifier, with a short trial on noise before any long computation."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ..errors import ConfigError, VeracityError, quoted, within
from ..jobs.callables import callable_source, describe_error, imported, preserve_global_state, seeded
from ..settings import between, settings
from .protocol import Classifier, OneLabel

if TYPE_CHECKING:
    from torch import Tensor


@settings("model")
class ModelSettings:
    """User-supplied classifier, which is attacked and explained instead of the paper's detector.

    Attributes
    ----------
    build : str or None
        Function in the notation ``module:callable`` that returns a `Classifier`; None for the paper's detector.
    label : str or None
        Explained label of the classifier; may be None only if the classifier has a single label.
    threshold : float, "arg max" or None
        Probability above which the label is predicted, or "arg max" to predict the most probable label. None: 0.5, or the
        detector's threshold if `predict` is set.
    hop_seconds : float
        Time between the starts of adjacent excerpts of a song in seconds.
    """

    build: Annotated[str, Field(strict=True)] | None = None
    label: Annotated[str, Field(strict=True, min_length=1, max_length=200)] | None = None
    threshold: Annotated[float, between(1e-6, 1 - 1e-6)] | Literal["arg max"] | None = None
    hop_seconds: Annotated[float, between(0.001, 3600)] = 0.5


def noise(n_samples: int) -> "Tensor":
    """Return two excerpts of quiet noise for trying classifiers, shape (2, n_samples); always the same values."""
    import torch

    return torch.randn(2, n_samples, generator=torch.Generator().manual_seed(0)) * 0.01


def built(settings: ModelSettings) -> OneLabel:
    """Build the configured classifier, select its label and try it on noise.

    Parameters
    ----------
    settings : ModelSettings
        Settings of the classifier; `build` must not be None.

    Returns
    -------
    OneLabel
        The classifier with its label and threshold.

    Raises
    ------
    ConfigError
        If the classifier cannot be imported or built, does not implement `Classifier`, lacks the label, or does not return
        finite, differentiable logits that are independent of the batch. The message names the classifier.
    """
    assert settings.build is not None
    build = imported(settings.build, "the callable of model.build", key="model.build")
    source = callable_source(settings.build)
    try:
        with preserve_global_state(), seeded():
            classifier: Any = build()
    except VeracityError:
        raise
    except (Exception, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
        raise ConfigError(f"{_named(settings)} fails ({describe_error(error, source)}). Fix it.") from error
    labels = _checked_labels(classifier, settings)
    if settings.label is None and len(labels) != 1:
        raise ConfigError(f"model.label: missing for {settings.build} with {len(labels)} labels, got null. Choose one of them.")
    threshold: Any = 0.5 if settings.threshold is None else settings.threshold
    model = OneLabel(classifier, labels[0] if settings.label is None else settings.label, threshold)
    _try_on_noise(model, settings, source)
    return model


def _named(settings: ModelSettings) -> str:
    return f"model.build: {quoted(settings.build)}"


def _checked_labels(classifier: Any, settings: ModelSettings) -> list[str]:
    """Return the labels of a classifier after checking its attributes."""
    named = _named(settings)
    if not isinstance(classifier, Classifier):
        parts = ("sample_rate", "excerpt_samples", "labels", "exclusive", "representation", "logits")
        missing = ", ".join(part for part in parts if not hasattr(classifier, part))
        raise ConfigError(
            f"{named} must return a classifier with {missing}, got {type(classifier).__name__}. Add what is missing."
        )
    within(classifier.sample_rate, 1000, 768000, f"sample_rate of {settings.build}", whole=True)
    within(classifier.excerpt_samples, 2, 2**26, f"excerpt_samples of {settings.build}", whole=True)
    labels = classifier.labels
    if isinstance(labels, str) or not all(isinstance(label, str) and label.strip() for label in labels):
        raise ConfigError(
            f"{named} must return a classifier whose labels are a list of names, got {quoted(labels)}. Correct the labels."
        )
    labels = list(labels)
    if len(set(labels)) < len(labels):
        raise ConfigError(f"{named} must return a classifier with distinct labels, got {quoted(labels)}. Rename one.")
    if not isinstance(classifier.exclusive, bool):
        raise ConfigError(
            f"{named} must return a classifier whose exclusive is True or False, got {quoted(classifier.exclusive)}. Set it."
        )
    return labels


def _try_on_noise(model: OneLabel, settings: ModelSettings, source: Path | None) -> None:
    """Check the shape, the gradients and the independence of the logits of two excerpts of noise."""
    import torch

    named, classifier = _named(settings), model.classifier
    try:
        x = classifier.representation(noise(classifier.excerpt_samples)).requires_grad_()
        if x.ndim != 3 or len(x) != 2:
            raise ConfigError(
                f"{named} must represent 2 excerpts as (2, n_frames, n_bands), got shape {tuple(x.shape)}. Return this shape."
            )
        logits = model.logit(x)
        (gradient,) = torch.autograd.grad(logits.sum(), x)
        alone = model.logit(x[:1].detach())
    except VeracityError:
        raise
    except Exception as error:
        cure = "Accept batches of excerpts, and make the classifier differentiable"
        raise ConfigError(f"{named} fails on two excerpts of noise ({describe_error(error, source)}). {cure}.") from error
    numbers = torch.cat(
        [logits.detach().flatten(), (torch.view_as_real(gradient) if gradient.is_complex() else gradient).flatten()]
    )
    if not bool(torch.isfinite(numbers).all()):
        raise ConfigError(
            f"{named} returns logits or gradients that are not finite for two excerpts of noise. Fix the classifier."
        )
    if not torch.allclose(alone, logits[:1].detach(), atol=1e-3, rtol=1e-3):
        raise ConfigError(
            f"{named} returns different logits for an excerpt alone and in a batch. Put the classifier into evaluation mode."
        )
