"""Singing voice detector: the network of the paper (section 4.2) and its checkpoints.

Two forms of one network. `Detector` is trained, and named as in the published checkpoint. `Network` is what a trained detector
computes: a standardisation and a plain list of layers with batch norm and zero-mean kernels folded in. Everything
after training (prediction, attacks, exact tables) works on the list, so that no kernel size or stride is typed twice.

References
----------
J. Schlüter and B. Lehner, "Zero-mean convolutions for level-invariant singing voice detection", ISMIR 2018.
"""

import os
import pickle
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .convolution import SLOPE, channels_last, frozen_convolution
from .errors import CheckpointError, ConfigError
from .files import replacing
from .frontend import FrontEnd

EPSILON = 1e-4  # added to variances, in batch norm and in the standardisation
FORMAT = "veracity detector 1"


@dataclass(frozen=True)
class Architecture:
    """Which of the published networks.

    Attributes
    ----------
    layers : {"ismir2015", "ismir2016"}
        The paper's published checkpoint has the layers of 2015 with batch norm and a zero-mean first convolution.
        In the variant of 2016 a 3 x 18 convolution and a pool along frequency replace the second pool.
    zero_mean : bool
        Whether each kernel of the first convolution has its own mean subtracted (the layer then has no bias).
    """

    layers: Literal["ismir2015", "ismir2016"] = "ismir2015"
    zero_mean: bool = True

    def __post_init__(self) -> None:
        if self.layers not in ("ismir2015", "ismir2016"):
            raise ConfigError(f"unknown architecture {self.layers!r}: choose ismir2015 or ismir2016")


@dataclass(frozen=True)
class Layer:
    """One layer of a folded network, kernel axes (time, frequency); convolutions are 'valid' with stride 1.

    Attributes
    ----------
    kernel : tuple of int
        Extent in frames and bands. A pool advances by its kernel.
    weight : Tensor, shape (n_out, n_in, *kernel), or None
        None for a max-pool.
    bias : Tensor, shape (n_out,), or None
    activated : bool
        Whether a leaky ReLU follows.
    """

    kernel: tuple[int, int]
    weight: Tensor | None = None
    bias: Tensor | None = None
    activated: bool = False

    @property
    def is_pool(self) -> bool:
        """Whether the layer is a max-pool."""
        return self.weight is None

    @property
    def stride(self) -> tuple[int, int]:
        """Advance in frames and bands."""
        return self.kernel if self.is_pool else (1, 1)


@dataclass(frozen=True)
class Network:
    """A trained detector as a function of log-mel excerpts.

    Attributes
    ----------
    mean, scale : Tensor, shape (n_mels,)
        Standardisation: ``(log_mel - mean) * scale``.
    layers : tuple of Layer
        From the standardised excerpt to the logit.
    n_dense : int
        How many layers at the end are dense (fully connected; the first of them as wide as what it sees).
    excerpt_frames : int
        Frames of one excerpt.
    """

    mean: Tensor
    scale: Tensor
    layers: tuple[Layer, ...]
    n_dense: int
    excerpt_frames: int

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Network":
        """Return the network on another device or in another precision."""
        layers = self._layers_to(device, dtype)
        return replace(self, mean=self.mean.to(device, dtype), scale=self.scale.to(device, dtype), layers=layers)

    def lowered(self, dtype: torch.dtype) -> "Network":
        """Return a network that computes its layers in a lower precision; it still standardises in its own."""
        return replace(self, layers=self._layers_to(None, dtype))

    def _layers_to(self, device: torch.device | str | None, dtype: torch.dtype | None) -> tuple[Layer, ...]:
        def move(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device=device, dtype=dtype)

        return tuple(replace(layer, weight=move(layer.weight), bias=move(layer.bias)) for layer in self.layers)

    @property
    def _layers_dtype(self) -> torch.dtype:
        assert self.layers[0].weight is not None
        return self.layers[0].weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.mean.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return self.mean.dtype

    def standardise(self, log_mel: Tensor) -> Tensor:
        """Standardise each mel band; shape (..., n_mels) to the same."""
        return (log_mel - self.mean) * self.scale

    def logits(self, excerpts: Tensor) -> Tensor:
        """Compute the logit of "sing" for separate excerpts.

        Parameters
        ----------
        excerpts : Tensor, shape (n_excerpts, excerpt_frames, n_mels)
            Natural log of mel magnitude, not standardised.

        Returns
        -------
        Tensor, shape (n_excerpts,)
        """
        x = channels_last(self.standardise(excerpts)).to(self._layers_dtype)
        return apply_layers(self.layers, x).reshape(len(excerpts)).to(excerpts.dtype)

    def dense_logits(self, log_mel: Tensor) -> Tensor:
        """Compute the logit of every excerpt of a song at once (fully convolutional evaluation).

        Pools advance by one frame and what follows is dilated in time, so that each excerpt's number is that of `logits`.

        Parameters
        ----------
        log_mel : Tensor, shape (n_excerpts + excerpt_frames - 1, n_mels)
            Natural log of mel magnitude; see `veracity.frontend.pad_silence`.

        Returns
        -------
        Tensor, shape (n_excerpts,)
        """
        x = channels_last(self.standardise(log_mel)[None]).to(self._layers_dtype)
        return apply_layers(self.layers, x, dense=True).reshape(-1).to(log_mel.dtype)

    def predict(self, excerpts: Tensor, *, batch: int = 64) -> Tensor:
        """Compute P(sing) of excerpts in batches, without gradients; shapes as `logits`."""
        with torch.inference_mode():
            parts = [self.logits(part.to(self.device, self.dtype)) for part in excerpts.split(batch)]
        return torch.sigmoid(torch.cat(parts)) if parts else excerpts.new_zeros(0)


def apply_layers(layers: Iterable[Layer], x: Tensor, *, dense: bool = False) -> Tensor:
    """Apply folded layers to a batch.

    Parameters
    ----------
    layers : iterable of Layer
    x : Tensor, shape (n, n_channels, n_frames, n_bands), channels last
    dense : bool
        Evaluate at every frame: pools advance by one frame, later kernels are dilated in time.
    """
    dilation = 1
    for layer in layers:
        if layer.is_pool:
            stride = (1, layer.stride[1]) if dense else layer.stride
            x = functional.max_pool2d(x, layer.kernel, stride, dilation=(dilation, 1))
            dilation *= layer.kernel[0] if dense else 1
        else:
            assert layer.weight is not None
            x = frozen_convolution(x, layer.weight, layer.bias, dilation=dilation, activated=layer.activated)
    return x


def dense_in_chunks(network: Network, log_mel_frames: Tensor, chunk_frames: int = 4096) -> Tensor:
    """Compute `Network.dense_logits` of a padded song, a bounded number of frames at a time."""
    context = network.excerpt_frames - 1
    starts = range(0, len(log_mel_frames) - context, chunk_frames)
    return torch.cat([network.dense_logits(log_mel_frames[s : s + chunk_frames + context]) for s in starts])


class Detector(nn.Module):
    """The network to be trained; parameters are named as in the published checkpoint.

    Parameters
    ----------
    architecture : Architecture
    frontend : FrontEnd
    """

    def __init__(self, architecture: Architecture | None = None, frontend: FrontEnd | None = None) -> None:
        super().__init__()
        self.architecture = architecture or Architecture()
        self.frontend = frontend or FrontEnd()
        is_2016 = self.architecture.layers == "ismir2016"
        self.freq_norm = nn.BatchNorm1d(self.frontend.n_mels, affine=False, eps=EPSILON)
        self.conv1 = nn.Conv2d(1, 64, 3)
        self.conv2 = nn.Conv2d(64, 32, 3)
        self.conv3 = nn.Conv2d(32, 128, 3)
        self.conv4 = nn.Conv2d(128, 64, 3)
        self.conv_16 = nn.Conv2d(64, 128, (3, 18))
        self.fc1 = nn.Conv2d(128 if is_2016 else 64, 256, self._dense_kernel())
        self.fc2 = nn.Conv2d(256, 64, 1)
        self.fc3 = nn.Conv2d(64, 1, 1)
        for norm, convolution in {**self._norms(), "bn_16": self.conv_16}.items():
            self.add_module(norm, nn.BatchNorm2d(convolution.out_channels, eps=EPSILON))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.orthogonal_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def _dense_kernel(self) -> tuple[int, int]:
        """Return what the convolutions and pools leave of an excerpt: 11 x 7, or 31 x 1 for 2016."""
        left = []
        for axis, size in enumerate((self.frontend.excerpt_frames, self.frontend.n_mels)):
            for step in self._plan()[:-3]:
                size = size // step[axis] if isinstance(step[0], int) else size - getattr(self, step[0]).kernel_size[axis] + 1
            left.append(size)
        if min(left) < 1:
            raise ConfigError(
                f"excerpts of {self.frontend.excerpt_frames} frames x {self.frontend.n_mels} bands are too small for "
                f"{self.architecture.layers}: raise frontend.excerpt_frames or frontend.n_mels"
            )
        return left[0], left[1]

    def _norms(self) -> dict[str, nn.Conv2d]:
        """Batch norms by name, with the convolution that each follows, in the order of the published checkpoint."""
        names = ("bn1", "bn2", "bn3", "bn4", "bn_d1", "bn_d2")
        return dict(zip(names, (self.conv1, self.conv2, self.conv3, self.conv4, self.fc1, self.fc2), strict=True))

    def _plan(self) -> list[tuple[str, str] | tuple[int, int]]:
        """Tell the network as a list: (convolution, batch norm) by name, or the kernel of a pool."""
        second = [("conv_16", "bn_16"), (1, 4)] if self.architecture.layers == "ismir2016" else [(3, 3)]
        return [
            ("conv1", "bn1"),
            ("conv2", "bn2"),
            (3, 3),
            ("conv3", "bn3"),
            ("conv4", "bn4"),
            *second,
            ("fc1", "bn_d1"),
            ("fc2", "bn_d2"),
            ("fc3", ""),
        ]

    def _kernel(self, name: str) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias of a convolution as it acts."""
        convolution = getattr(self, name)
        if name == "conv1" and self.architecture.zero_mean:
            return convolution.weight - convolution.weight.mean(dim=(2, 3), keepdim=True), None
        return convolution.weight, convolution.bias

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute logits as in training: batch norms and dropout follow the module's mode.

        Parameters
        ----------
        log_mel : Tensor, shape (n, excerpt_frames, n_mels)

        Returns
        -------
        Tensor, shape (n,)
        """
        x = channels_last(self.freq_norm(log_mel.flatten(0, 1)).reshape(log_mel.shape))  # normed per band
        for step in self._plan():
            if isinstance(step[0], int):
                x = functional.max_pool2d(x, step)
                continue
            name, norm = step
            if name.startswith("fc"):
                x = functional.dropout(x, 0.5, self.training)
            x = functional.conv2d(x, *self._kernel(str(name)))
            if norm:
                x = functional.leaky_relu_(getattr(self, str(norm))(x), SLOPE)  # in place: less memory to move
        return x.reshape(len(log_mel))

    def network(self) -> Network:
        """Fold batch norm and zero-mean kernels: what the detector computes in evaluation mode."""
        with torch.no_grad():
            layers = tuple(self._folded(step) for step in self._plan())
            assert self.freq_norm.running_var is not None and self.freq_norm.running_mean is not None  # noqa: PT018
            scale = torch.rsqrt(self.freq_norm.running_var.double() + EPSILON).float()
            mean = self.freq_norm.running_mean.clone()
        return Network(mean, scale, layers, n_dense=3, excerpt_frames=self.frontend.excerpt_frames)

    def _folded(self, step: tuple) -> Layer:
        if isinstance(step[0], int):
            return Layer(kernel=step)
        name, norm = step
        weight, bias = (None if tensor is None else tensor.detach().double() for tensor in self._kernel(name))
        assert weight is not None
        bias = torch.zeros(len(weight), dtype=weight.dtype, device=weight.device) if bias is None else bias
        if norm:
            module = getattr(self, norm)
            factor = module.weight.double() / torch.sqrt(module.running_var.double() + EPSILON)
            bias = (bias - module.running_mean.double()) * factor + module.bias.double()
            weight = weight * factor[:, None, None, None]
        kernel = (weight.shape[2], weight.shape[3])
        return Layer(kernel, weight.float().contiguous(memory_format=torch.channels_last), bias.float(), activated=bool(norm))


@dataclass(frozen=True)
class Checkpoint:
    """A detector with what is needed to use it.

    Attributes
    ----------
    detector : Detector
    threshold : float or None
        "sing" is P(sing) > threshold; None when none was tuned.
    settings : dict
        What it was trained with; empty for a foreign checkpoint.
    """

    detector: Detector
    threshold: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: str | os.PathLike, checkpoint: Checkpoint) -> None:
    """Write a checkpoint that carries its own settings; identical content gives identical bytes."""
    detector = checkpoint.detector
    content = {
        "format": FORMAT,
        "architecture": asdict(detector.architecture),
        "frontend": asdict(detector.frontend),
        "threshold": checkpoint.threshold,
        "settings": checkpoint.settings,
        "state_dict": {name: tensor.detach().cpu().contiguous() for name, tensor in detector.state_dict().items()},
    }
    save_tensors(path, content)


def save_tensors(path: str | os.PathLike, content: dict[str, Any]) -> None:
    """Save with torch, whole or not at all; into an open file, since torch writes the name of one that it opens into it."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch hides that the disk is full
                raise error.__context__ from None
            raise


def load_tensors(path: str | os.PathLike) -> Any:
    """Load what torch saved, without running code from the file.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or holds more than tensors and plain values.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{path} does not exist: name a checkpoint (.pt) that does")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, pickle.UnpicklingError, ValueError, KeyError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be loaded as weights ({first_line}): it is truncated, or holds more than tensors; get it again"
        ) from error


def load_checkpoint(
    path: str | os.PathLike, *, architecture: Architecture | None = None, frontend: FrontEnd | None = None
) -> Checkpoint:
    """Load a checkpoint of ours, or a state dictionary with the names of the published implementation.

    Parameters
    ----------
    path : path-like
    architecture, frontend : optional
        What a bare state dictionary does not tell; the paper's by default. A checkpoint of ours tells its own, and one
        that contradicts `architecture` is refused.

    Raises
    ------
    CheckpointError
        When the file is damaged or of another architecture.
    """
    content = load_tensors(path)
    ours = isinstance(content, dict) and content.get("format") == FORMAT
    if ours:
        own = Architecture(**content["architecture"])
        if architecture is not None and own != architecture:
            raise CheckpointError(f"{path} holds {own}, the configuration asks for {architecture}: set detector.architecture")
        detector = Detector(own, FrontEnd(**content["frontend"]))
        state = content["state_dict"]
    else:
        detector = Detector(architecture, frontend)
        state = content.get("state_dict", content) if isinstance(content, dict) else content
    _load_state(detector, state, path)
    extra = {"threshold": content["threshold"], "settings": content["settings"]} if ours else {}
    return Checkpoint(detector.eval(), **extra)


def _load_state(detector: Detector, state: Any, path: str | os.PathLike) -> None:
    """Copy weights by name; unused convolutions may be absent, anything else must fit."""
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no dictionary of weights: give a .pt with the detector's state dictionary")
    own = detector.state_dict()
    used = {name for name in own if detector.architecture.layers == "ismir2016" or "_16" not in name}
    wrong = [
        f"{name} {tuple(state[name].shape) if name in state else 'is missing'}, expected {tuple(own[name].shape)}"
        for name in sorted(used)
        if not name.endswith("num_batches_tracked") and (name not in state or state[name].shape != own[name].shape)
    ]
    unknown = sorted(set(state) - set(own))
    if wrong or unknown:
        complaint = wrong[0] if wrong else f"{unknown[0]} is unknown"
        raise CheckpointError(
            f"{path} is not a checkpoint of {detector.architecture} ({complaint}; {len(wrong) + len(unknown)} such): "
            "set detector.architecture or give another file"
        )
    kept = {name: tensor for name, tensor in state.items() if tensor.shape == own[name].shape}
    if any(not torch.isfinite(kept[name]).all() for name in kept if name in used):
        raise CheckpointError(f"{path} holds weights that are not finite: train again or give another file")
    detector.load_state_dict({**own, **kept})
