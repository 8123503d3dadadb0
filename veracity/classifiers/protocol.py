"""Interface of user-supplied classifiers: from audio to a segmented representation, and from there to logits.

A classifier is any object with the attributes and methods of `Classifier`. `veracity.classifiers.adapters` creates one from a
``torch.nn.Module``. All methods take batches of excerpts of equal length and must be differentiable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from ..errors import ConfigError, hint, quoted, within

if TYPE_CHECKING:
    from torch import Tensor, nn

ARG_MAX = "arg max"


@runtime_checkable
class Classifier(Protocol):
    """Interface of a classifier that can be attacked and explained.

    Attributes
    ----------
    sample_rate : int
        Sampling rate of the audio in Hz.
    excerpt_samples : int
        Number of samples of an excerpt.
    labels : sequence of str
        Names of the labels, in the order of the logits.
    exclusive : bool
        Whether an excerpt has exactly one label (softmax) or any number of labels (sigmoid).
    """

    sample_rate: int
    excerpt_samples: int
    labels: Sequence[str]
    exclusive: bool

    def representation(self, audio: Tensor) -> Tensor:
        """Return the representation that is segmented and, in the domain "spectrogram", perturbed; differentiable.

        Parameters
        ----------
        audio : Tensor, shape (n, excerpt_samples)
            Waveforms of excerpts.

        Returns
        -------
        Tensor, shape (n, n_frames, n_bands)
            Real or complex representation, with low frequencies first.
        """
        ...

    def logits(self, representation: Tensor) -> Tensor:
        """Return the logits of representations, shape (n,) or (n, n_labels); differentiable."""
        ...


@runtime_checkable
class HasLayers(Protocol):
    """Interface of classifiers that expose their layers, which exact tables and some explainers require."""

    def layers(self) -> nn.Module:
        """Return a copy of the layers as a module from the representation to logits, shape (n,), (n, 1) or (n, n_labels)."""
        ...


@dataclass(frozen=True)
class OneLabel:
    """Classifier restricted to one label against all others.

    Attributes
    ----------
    classifier : Classifier
        The classifier.
    label : str
        One of the labels of the classifier.
    threshold : float, "arg max" or None
        The label is predicted if its probability exceeds this threshold or, with "arg max", if its logit is the largest. None
        (default) stands for 0.5, as in the configuration.
    """

    classifier: Classifier
    label: str
    threshold: float | Literal["arg max"] | None = None

    def __post_init__(self) -> None:
        labels = list(self.classifier.labels)
        if self.label not in labels:
            shown = ", ".join(map(str, labels[:20])) + (", ..." if len(labels) > 20 else "")
            near = hint(self.label, labels)
            raise ConfigError(
                f"model.label: not a label of the classifier, got {quoted(self.label)}. Choose from {shown}{near}."
            )
        if self.threshold is None:
            object.__setattr__(self, "threshold", 0.5)
        elif self.threshold == ARG_MAX:
            if len(labels) < 2:
                raise ConfigError(
                    "model.threshold: must be a number for a classifier with one label, got 'arg max'. Give a probability."
                )
        else:
            within(self.threshold, 1e-6, 1 - 1e-6, "model.threshold")

    @property
    def decision(self) -> float:
        """Decision threshold for the sigmoid of `logit`."""
        return 0.5 if self.threshold in (None, ARG_MAX) else float(self.threshold)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of frames and bands of a representation."""
        import torch

        with torch.no_grad():
            n_frames, n_bands = self.representation(torch.zeros(1, self.classifier.excerpt_samples)).shape[1:]
        return n_frames, n_bands

    def representation(self, audio: Tensor) -> Tensor:
        """Return the representation, shape (n, n_frames, n_bands), of a copy of excerpts, shape (n, excerpt_samples)."""
        return self.classifier.representation(audio.clone())  # a model may work in place

    def logit(self, representation: Tensor) -> Tensor:
        """Return the logit of the label against all others.

        Parameters
        ----------
        representation : Tensor, shape (n, n_frames, n_bands)
            Representation of excerpts.

        Returns
        -------
        Tensor, shape (n,)
            Logit of the label.

        Raises
        ------
        ConfigError
            If the classifier returns logits of the wrong shape.
        """
        logits = self.classifier.logits(representation.clone())  # a model may work in place
        if len(logits) != len(representation):
            raise ConfigError(
                f"classifier.logits: must return {len(representation)} logits, got {len(logits)}. Return one for each excerpt."
            )
        return self.of_logits(logits)

    def of_logits(self, logits: Tensor, largest: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return the logit of the label against all others, shape (n,) or (n, n_labels) to (n,), in float32 or float64.

        With "arg max", it is the label's logit minus the largest other logit, which is positive (probability above 0.5) if and
        only if the label has the largest logit. With a threshold, it is the label's own logit or, for exclusive labels, the
        logit of its softmax probability. `largest` computes the maximum, (n, n_labels - 1) to (n,), by default that of torch.

        Raises
        ------
        ConfigError
            If the logits have the wrong shape.
        """
        import torch

        n_labels = len(self.classifier.labels)
        logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits  # NumPy has no bfloat16
        if logits.ndim == 1 and n_labels == 1:
            return logits
        if logits.shape != (len(logits), n_labels):
            raise ConfigError(
                f"classifier.logits: must return the shape {(len(logits), n_labels)}, got {tuple(logits.shape)}. "
                "Return one logit for each excerpt and label."
            )
        place = list(self.classifier.labels).index(self.label)
        label_logits = logits[:, place]
        others = torch.cat([logits[:, :place], logits[:, place + 1 :]], dim=1)
        if self.threshold == ARG_MAX:
            return label_logits - (largest(others) if largest else others.amax(dim=1))
        return label_logits - torch.logsumexp(others, dim=1) if self.classifier.exclusive and n_labels > 1 else label_logits
