"""The trainable singing voice detector (paper section 4.2).

References
----------
J. Schlüter and B. Lehner, "Zero-mean convolutions for level-invariant singing voice detection", ISMIR 2018.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..songs.frontend import FrontEnd
from .convolution import SLOPE, channels_last
from .network import Layer, Network
from .settings import STEPS, Architecture, Step

EPSILON = 1e-4  # added to variances in batch norm and in the standardisation


class Detector(nn.Module):
    """Trainable network, with the parameter names of the published checkpoint.

    Parameters
    ----------
    architecture : Architecture, optional
        Layers of the network, by default the paper's.
    frontend : FrontEnd, optional
        Front end that computes the excerpts, by default the paper's.
    """

    def __init__(self, architecture: Architecture | None = None, frontend: FrontEnd | None = None) -> None:
        super().__init__()
        self.architecture = architecture or Architecture()
        self.frontend = frontend or FrontEnd()
        is_2016 = self.architecture.layers == "ismir2016"
        dense = self.architecture.dense_kernel(self.frontend.excerpt_frames, self.frontend.n_mels)
        self._plan = (*self.architecture.steps, Step(dense, "fc1", "bn_d1"), Step((1, 1), "fc2", "bn_d2"), Step((1, 1), "fc3"))
        parts: list[tuple[str, list[Step]]] = [("freq_norm", [])]
        for step in self._plan:
            parts[-1][1].append(step)
            if step.norm:
                parts.append((step.norm, []))
        self._parts = parts  # each part begins with a batch norm
        kernels = {step.convolution: step.kernel for steps in STEPS.values() for step in steps}  # unused layers included
        self.freq_norm = nn.BatchNorm1d(self.frontend.n_mels, affine=False, eps=EPSILON)
        self.conv1 = nn.Conv2d(1, 64, kernels["conv1"])
        self.conv2 = nn.Conv2d(64, 32, kernels["conv2"])
        self.conv3 = nn.Conv2d(32, 128, kernels["conv3"])
        self.conv4 = nn.Conv2d(128, 64, kernels["conv4"])
        self.conv_16 = nn.Conv2d(64, 128, kernels["conv_16"])
        self.fc1 = nn.Conv2d(128 if is_2016 else 64, 256, dense)
        self.fc2 = nn.Conv2d(256, 64, 1)
        self.fc3 = nn.Conv2d(64, 1, 1)
        for norm, convolution in {**self._norms(), "bn_16": self.conv_16}.items():
            self.add_module(norm, nn.BatchNorm2d(convolution.out_channels, eps=EPSILON))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.orthogonal_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def _norms(self) -> dict[str, nn.Conv2d]:
        """Return the batch norms by name with the preceding convolution, in the order of the published checkpoint."""
        names = ("bn1", "bn2", "bn3", "bn4", "bn_d1", "bn_d2")
        return dict(zip(names, (self.conv1, self.conv2, self.conv3, self.conv4, self.fc1, self.fc2), strict=True))

    def _kernel(self, name: str) -> tuple[Tensor, Tensor | None]:
        """Return the effective weight and bias of a convolution."""
        convolution = getattr(self, name)
        if name == "conv1" and self.architecture.zero_mean:
            return convolution.weight - convolution.weight.mean(dim=(2, 3), keepdim=True), None
        return convolution.weight, convolution.bias

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute logits; batch norms and dropout follow the mode of the module.

        Parameters
        ----------
        log_mel : Tensor, shape (n, excerpt_frames, n_mels)
            Natural log of mel magnitude, not standardised.

        Returns
        -------
        Tensor, shape (n,)
            Logit of P(sing).
        """
        x = log_mel
        for part in range(len(self._parts)):
            x = self.advance(part, x)
        return x.reshape(len(log_mel))

    @property
    def norms(self) -> list[nn.modules.batchnorm._BatchNorm]:
        """Batch norms in the order of the forward pass; the first has no weights."""
        return [getattr(self, name) for name, _ in self._parts]

    def norm_weights(self, part: int) -> tuple[str, str]:
        """Return the parameter names of the scale and offset of a part's batch norm."""
        name, _ = self._parts[part]
        return f"{name}.weight", f"{name}.bias"

    def advance(
        self,
        part: int,
        x: Tensor,
        statistics: tuple[Tensor, Tensor] | None = None,
        dropout: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Compute one part of `forward`: a batch norm and the steps up to the next one.

        Parameters
        ----------
        part : int
            Position of the batch norm in `norms`.
        x : Tensor
            Log-mel excerpts for the first part, otherwise the output of the previous part.
        statistics : (Tensor, Tensor), optional
            Mean and variance for the normalisation, by default those of the module's mode.
        dropout : callable, optional
            Replacement for torch's dropout, which draws from a single global generator.

        Returns
        -------
        Tensor
            Output of the part.
        """
        name, steps = self._parts[part]
        norm, rows = getattr(self, name), x if part else x.flatten(0, 1)  # the first batch norm normalises each band
        normed = (
            norm(rows) if statistics is None else functional.batch_norm(rows, *statistics, norm.weight, norm.bias, eps=norm.eps)
        )
        x = functional.leaky_relu_(normed, SLOPE) if part else channels_last(normed.reshape(x.shape))  # in place to save memory
        for step in steps:
            if step.is_pool:
                x = functional.max_pool2d(x, step.kernel)
                continue
            if step.convolution.startswith("fc"):
                x = dropout(x) if dropout else functional.dropout(x, 0.5, self.training)
            x = functional.conv2d(x, *self._kernel(step.convolution))
        return x

    def network(self) -> Network:
        """Return the network in evaluation mode, with batch norm and zero-mean kernels folded into the weights."""
        with torch.no_grad():
            layers = tuple(self._folded(step) for step in self._plan)
            assert self.freq_norm.running_var is not None and self.freq_norm.running_mean is not None  # noqa: PT018
            scale = torch.rsqrt(self.freq_norm.running_var.double() + EPSILON).float()
            mean = self.freq_norm.running_mean.clone()
        return Network(mean, scale, layers, n_dense=3, excerpt_frames=self.frontend.excerpt_frames)

    def _folded(self, step: Step) -> Layer:
        if step.is_pool:
            return Layer(kernel=step.kernel)
        weight, bias = (None if tensor is None else tensor.detach().double() for tensor in self._kernel(step.convolution))
        assert weight is not None
        bias = torch.zeros(len(weight), dtype=weight.dtype, device=weight.device) if bias is None else bias
        if step.norm:
            module = getattr(self, step.norm)
            factor = module.weight.double() / torch.sqrt(module.running_var.double() + EPSILON)
            bias = (bias - module.running_mean.double()) * factor + module.bias.double()
            weight = weight * factor[:, None, None, None]
        weight = weight.float().contiguous(memory_format=torch.channels_last)
        return Layer(step.kernel, weight, bias.float(), activated=bool(step.norm))
