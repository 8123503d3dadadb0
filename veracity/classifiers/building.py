"""Construction of the configured classifier, and a short trial of a classifier before any long computation."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ..errors import ConfigError, VeracityError, quoted, within
from ..jobs.callables import callable_source, describe_error, imported, preserve_global_state, seeded
from ..settings import between, settings
from .protocol import Classifier, OneLabel

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)
# Names of gradient functions that only rearrange or convert values.
MOVES = re.compile("Select|Squeeze|Unsqueeze|View|Reshape|Slice|Index|Unsafe|Alias|ToCopy|Clone|Transpose")


@settings("model")
class ModelSettings:
    """User-supplied classifier, which is attacked and explained instead of the paper's detector.

    Attributes
    ----------
    build : str or None
        Function that returns a `Classifier`, given as ``module:callable``; None for the paper's detector.
    label : str or None
        Label that is explained, one of the classifier's; required if `build` is set.
    threshold : float, "arg max" or None
        Probability above which the label is predicted, or "arg max" to predict the most probable label. None: 0.5, or the
        detector's threshold if `predict` is set.
    hop_seconds : float
        Time in seconds between the starts of adjacent excerpts of a song.
    """

    build: Annotated[str, Field(strict=True)] | None = None
    label: Annotated[str, Field(strict=True, min_length=1, max_length=200)] | None = None
    threshold: Annotated[float, between(1e-6, 1 - 1e-6)] | Literal["arg max"] | None = None
    hop_seconds: Annotated[float, between(0.001, 3600)] = 0.5


def trial_excerpts(n_samples: int) -> "Tensor":
    """Return four different excerpts for testing classifiers, shape (4, n_samples); always the same values.

    They are quiet noise, loud noise, a loud chord that decays, and bursts of noise.
    """
    import torch

    quiet, loud, bursts = torch.randn(3, n_samples, generator=torch.Generator().manual_seed(0))
    time = torch.linspace(0, 1, n_samples)
    chord = torch.stack([torch.sin(0.02 * ratio * torch.arange(n_samples)) for ratio in (1, 1.25, 1.5, 4)]).mean(dim=0)
    bursting = (4 * time % 1 > 0.7) + 1e-3  # never exactly zero, where square roots have no gradient
    return torch.stack([0.01 * quiet, 0.2 * loud, 0.8 * torch.exp(-3 * time) * chord, 0.1 * bursts * bursting])


def built(settings: ModelSettings) -> OneLabel:
    """Build the configured classifier, select its label and try it; see `check`.

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
        If the classifier cannot be imported or built, does not implement `Classifier`, lacks the label, or fails the trial.
        The message names the classifier.
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
    model = OneLabel(classifier, labels[0] if settings.label is None else settings.label, settings.threshold)
    check(model, _named(settings), source)
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


def check(model: OneLabel, named: str, source: Path | None = None) -> None:
    """Try a classifier on excerpts that differ in level and content.

    Parameters
    ----------
    model : OneLabel
        Classifier with its label.
    named : str
        Name of the classifier in error messages.
    source : Path, optional
        File of the classifier, for line numbers in error messages.

    Raises
    ------
    ConfigError
        If the classifier fails, or does not return finite and differentiable logits of the right shape that depend only on the
        excerpt: not on other excerpts of the batch, their order or previous calls.
    """
    import torch

    classifier = model.classifier
    audio = trial_excerpts(classifier.excerpt_samples).requires_grad_()
    shape = f"waveforms of shape {tuple(audio.shape)}"
    with _reported(f"{named} fails to represent {shape}", "Accept batches of excerpts", source):
        x = model.representation(audio)
    if not isinstance(x, torch.Tensor) or x.ndim != 3 or len(x) != len(audio):
        found = f"shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
        raise ConfigError(
            f"{named} must return representations of shape ({len(audio)}, n_frames, n_bands), got {found}. Return this shape."
        )
    cure = "Accept batches of excerpts; if the module expects another shape, wrap it in a module that adds or removes axes"
    with _reported(f"{named} fails to classify representations of shape {tuple(x.shape)}", cure, source):
        raw = classifier.logits(x.clone())  # a model may work in place
        logits = model.logit(x)
    with _reported(f"{named} does not provide gradients", "Make the classifier differentiable", source):
        gradients = torch.autograd.grad(logits.sum(), [x, audio])
    if not all(bool(torch.isfinite(numbers).all()) for numbers in (logits.detach(), *gradients)):
        raise ConfigError(f"{named} returns logits or gradients that are not finite for noise and tones. Fix the classifier.")
    _check_logits(raw, named)
    _check_independence(model, audio.detach(), named, source)


@contextlib.contextmanager
def _reported(problem: str, cure: str, source: Path | None) -> Iterator[None]:
    """Convert the errors of a user's code to ConfigError."""
    try:
        yield
    except VeracityError:
        raise
    except Exception as error:
        raise ConfigError(f"{problem} ({describe_error(error, source)}). {cure}.") from error


def _check_logits(raw: "Tensor", named: str) -> None:
    """Reject or report probabilities that are returned instead of logits."""
    rows = raw.detach().float()
    if not bool(((rows >= 0) & (rows <= 1)).all()):
        return
    adds_up = rows.ndim == 2 and rows.shape[1] > 1 and bool((rows.sum(dim=1) - 1).abs().max() < 1e-4)
    if adds_up or _last_function(raw).startswith(("Sigmoid", "Softmax")):
        raise ConfigError(
            f"{named} must return logits, got probabilities ({rows.min():.3f} to {rows.max():.3f}). Remove the last sigmoid or "
            "softmax, or apply torch.logit to the result of a sigmoid and torch.log to that of a softmax."
        )
    log.warning("%s: the logits of all trial excerpts are from 0 to 1, as if they were probabilities. Check its output", named)


def _last_function(result: "Tensor") -> str:
    """Return the name of the function that computed a tensor, ignoring rearrangements and conversions."""
    node = result.grad_fn
    while node is not None and MOVES.match(node.name()):
        node = node.next_functions[0][0]
    return node.name() if node is not None else ""


def _check_independence(model: OneLabel, audio: "Tensor", named: str, source: Path | None) -> None:
    """Check that the logit of an excerpt depends neither on other excerpts nor on previous calls."""
    import torch

    def logits(part: "Tensor") -> "Tensor":
        with torch.no_grad():
            return model.logit(model.representation(part))

    with _reported(f"{named} fails for a single excerpt", "Accept batches of any size", source):
        first, second, backwards = logits(audio), logits(audio), logits(audio.flip(0)).flip(0)
        alone = torch.cat([logits(audio[i : i + 1]) for i in range(len(audio))])
    for found, when, cure in (
        (second, "when they are evaluated twice", "Put it into evaluation mode, and reset its state in each call"),
        (alone, "alone and in a batch", "Put it into evaluation mode, and normalise each excerpt by itself"),
        (backwards, "in another order", "Process the excerpts of a batch independently"),
    ):
        if not torch.allclose(found, first, atol=1e-3, rtol=1e-3):
            change = float((found - first).abs().max())
            raise ConfigError(
                f"{named} must return the same logits for the same excerpts {when}, got a difference of {change:.2g}. {cure}."
            )
