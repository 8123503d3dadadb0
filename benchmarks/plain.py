"""Baseline: the unfolded detector, evaluated fully convolutionally as in the published code (method.md, section 3)."""

import torch
from torch import Tensor
from torch.nn import functional

from veracity.detector.convolution import SLOPE
from veracity.detector.model import Detector


def dense_logits(detector: Detector, log_mel: Tensor) -> Tensor:
    """Evaluate the ismir2015 layers at every frame: pools advance by one frame, later kernels are dilated.

    Parameters
    ----------
    detector : Detector
        Detector in evaluation mode, whose parameters accumulate gradients, as in the published code.
    log_mel : Tensor, shape (n_excerpts + excerpt_frames - 1, n_mels)

    Returns
    -------
    Tensor, shape (n_excerpts,)
    """
    first = detector.conv1.weight - detector.conv1.weight.mean(dim=(2, 3), keepdim=True)
    x = detector.freq_norm(log_mel)[None, None]  # (1, 1, n_frames, n_mels)
    x = _normed(detector.bn1, functional.conv2d(x, first))
    x = _normed(detector.bn2, detector.conv2(x))
    x = functional.max_pool2d(x, 3, stride=(1, 3))
    x = _normed(detector.bn3, _dilated(detector.conv3, x, 3))
    x = _normed(detector.bn4, _dilated(detector.conv4, x, 3))
    x = functional.max_pool2d(x, 3, stride=(1, 3), dilation=(3, 1))
    x = _normed(detector.bn_d1, _dilated(detector.fc1, x, 9))
    x = _normed(detector.bn_d2, detector.fc2(x))
    return detector.fc3(x).reshape(-1)


def _normed(norm: torch.nn.Module, x: Tensor) -> Tensor:
    return functional.leaky_relu(norm(x), SLOPE)


def _dilated(convolution: torch.nn.Conv2d, x: Tensor, dilation: int) -> Tensor:
    return functional.conv2d(x, convolution.weight, convolution.bias, dilation=(dilation, 1))
