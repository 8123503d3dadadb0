"""Convolutions with fixed weights compared with those of torch, forward and backward."""

import pytest
import torch
from torch.nn import functional

from veracity.detector.convolution import SLOPE, channels_last, frozen_convolution

CASES = {  # n, n_in, n_out, frames, bands, kernel, dilation
    "single channel": (2, 1, 5, 9, 8, (3, 3), 1),
    "single channel, dilated": (1, 1, 5, 12, 8, (3, 2), 3),
    "any": (2, 4, 3, 9, 8, (3, 3), 1),
    "any, dilated": (1, 4, 3, 20, 8, (3, 3), 3),
    "as wide as the image": (1, 4, 6, 30, 7, (5, 7), 3),
    "as wide and as long, several": (3, 4, 6, 5, 7, (5, 7), 1),
    "one by one": (1, 4, 6, 9, 1, (1, 1), 1),
}


def both(case, *, activated, dtype=torch.float64):
    n, n_in, n_out, frames, bands, kernel, dilation = CASES[case]
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        for shape in ((n, n_in, frames, bands), (n_out, n_in, *kernel), (n_out,))
    )
    x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
    results = []
    for frozen in (True, False):
        leaf = x.clone().requires_grad_()
        if frozen:
            y = frozen_convolution(leaf, weight, bias, dilation=dilation, activated=activated)
        else:
            y = functional.conv2d(leaf, weight, bias, dilation=(dilation, 1))
            y = functional.leaky_relu(y, SLOPE) if activated else y
        slope = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
        y.backward(slope)
        results.append((y.detach(), leaf.grad))
    return results


@pytest.mark.parametrize("activated", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_torch(case, activated):
    ours, plain = both(case, activated=activated)
    torch.testing.assert_close(ours, plain, atol=1e-12, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_bfloat16_is_near(case):
    (value, gradient), _ = both(case, activated=False, dtype=torch.bfloat16)
    (exact_value, exact_gradient), _ = both(case, activated=False, dtype=torch.float64)
    assert value.dtype == gradient.dtype == torch.bfloat16
    for low, exact in ((value, exact_value), (gradient, exact_gradient)):
        assert (low.double() - exact).norm() < 0.02 * exact.norm()


def test_no_gradient_of_weights_is_computed():
    x = torch.randn(1, 2, 6, 6)
    weight = torch.randn(3, 2, 3, 3, requires_grad=True)
    frozen_convolution(x.requires_grad_(), weight, None, dilation=1, activated=False).sum().backward()
    assert weight.grad is None


def test_single_channel_images_are_known_to_be_channels_last():
    images = channels_last(torch.randn(2, 7, 5))
    assert images.shape == (2, 1, 7, 5)
    assert functional.conv2d(images, torch.randn(3, 1, 3, 3)).stride(1) == 1
