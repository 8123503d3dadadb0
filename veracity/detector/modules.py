"""Conversion of a trained detector to a sequence of torch layers, for explainers that use layers."""

from torch import Tensor, nn

from .convolution import SLOPE
from .network import Network


class _Standardised(nn.Module):
    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, log_mel: Tensor) -> Tensor:
        return ((log_mel - self.mean) * self.scale)[:, None]


def as_module(network: Network) -> nn.Sequential:
    """Return a module that computes `Network.logits`.

    Parameters
    ----------
    network : Network
        The trained detector.

    Returns
    -------
    nn.Sequential
        Module from (n, excerpt_frames, n_mels) to (n,): standardisation, convolutions, leaky ReLUs and max-pools, none of which
        works in place.
    """
    parts: list[nn.Module] = [_Standardised(network.mean, network.scale)]
    for layer in network.layers:
        if layer.weight is None:
            parts.append(nn.MaxPool2d(layer.kernel))
            continue
        convolution = nn.Conv2d(layer.weight.shape[1], layer.weight.shape[0], layer.kernel, bias=layer.bias is not None)
        convolution.weight = nn.Parameter(layer.weight.contiguous(), requires_grad=False)
        if layer.bias is not None:
            convolution.bias = nn.Parameter(layer.bias, requires_grad=False)
        parts += [convolution, nn.LeakyReLU(SLOPE)] if layer.activated else [convolution]
    return nn.Sequential(*parts, nn.Flatten(0)).to(network.device, network.dtype).eval()
