"""Gradients of a training batch, computed in shards that threads process in parallel.

The results equal those of one thread on the whole batch up to rounding. Batch norms use the statistics of all excerpts, and the
gradients are those of the mean loss. Shards are independent between batch norms, where their statistics are combined. A shard
has `veracity.detector.settings.SHARD_EXCERPTS` excerpts, and sums over shards are taken in their order. The result therefore
does not depend on the number of threads.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ..jobs.workers import Workers
from .model import EPSILON, Detector
from .settings import SHARD_EXCERPTS

Affine = tuple[Tensor, Tensor, Tensor, Tensor]  # mean, variance, scale and offset of each channel


@dataclass
class _Shard:
    """Excerpts of one shard with their intermediate results.

    Attributes
    ----------
    target : Tensor, shape (n,)
        Target of each excerpt.
    generator : torch.Generator
        Generator for dropout, separate for each shard.
    inputs, outputs : list of Tensor
        Inputs and outputs of the parts of the detector.
    grad : Tensor
        Gradient with respect to the output of the part that is next in the backward pass.
    """

    target: Tensor
    generator: torch.Generator
    inputs: list[Tensor]
    outputs: list[Tensor] = field(default_factory=list)
    grad: Tensor = field(default_factory=lambda: torch.zeros(()))

    def dropout(self, x: Tensor) -> Tensor:
        """Set half of the values to zero at random and double the others."""
        dropout_mask = torch.empty(x.shape, dtype=x.dtype, device=x.device).bernoulli_(0.5, generator=self.generator)
        return x * dropout_mask.mul_(2)


@dataclass(frozen=True)
class _Statistics:
    """Mean and variance of each channel, and the number of values, which is 0 for running statistics."""

    mean: Tensor
    variance: Tensor
    n: int


def sharded_gradients(
    detector: Detector, excerpts: Tensor, target: Tensor, *, precision: str, threads: Workers
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute loss, error and gradients of a batch on the CPU, and update the running statistics of the batch norms.

    Parameters
    ----------
    detector : Detector
        Detector in training or evaluation mode.
    excerpts : Tensor, shape (n, excerpt_frames, n_mels)
        Natural log of mel magnitude, not standardised.
    target : Tensor, shape (n,)
        Target probability of each excerpt.
    precision : {"float32", "bfloat16"}
        Precision of the convolutions.
    threads : Workers
        Threads that process the shards.

    Returns
    -------
    shown : Tensor, shape (2,)
        Mean loss, and share of excerpts on the wrong side of 0.5.
    gradients : dict of str to Tensor
        Gradient of each weight by name. Weights of unused layers are omitted.
    """
    goals = target.split(SHARD_EXCERPTS)
    seeds = torch.randint(1 << 62, (len(goals),)).tolist()
    shards = [
        _Shard(shard_target, torch.Generator().manual_seed(seed), [part])
        for part, shard_target, seed in zip(excerpts.split(SHARD_EXCERPTS), goals, seeds, strict=True)
    ]
    statistics = []
    for part, norm in enumerate(detector.norms):
        entering = [shard.inputs[part] for shard in shards]
        statistics.append(_together(norm, list(threads.map(_statistics, entering)) if norm.training else []))

        def forward(shard: _Shard, part: int = part) -> None:
            inputs, batch_stats = shard.inputs[part].detach().requires_grad_(part > 0), statistics[part]
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                dropout = shard.dropout if detector.training else None
                outputs = detector.advance(part, inputs, (batch_stats.mean, batch_stats.variance), dropout)
            shard.inputs[part] = inputs
            shard.inputs.append(outputs)
            shard.outputs.append(outputs)

        list(threads.map(forward, shards))
    shown = torch.stack([_begin_backward(shard, len(excerpts)) for shard in shards]).sum(dim=0)
    return shown, _backward(detector, shards, statistics, threads)


def _statistics(x: Tensor) -> _Statistics:
    x = x.detach()
    x = x.flatten(0, -2) if x.ndim == 3 else x  # the channels of log-mel excerpts are their bands
    kind = torch.promote_types(x.dtype, torch.float32)
    unused = torch.zeros(x.shape[1], dtype=kind), torch.ones(x.shape[1], dtype=kind)
    mean, variance = torch.batch_norm_update_stats(x, *unused, 0.0)  # var_mean is 20 times slower for channels last
    return _Statistics(mean, variance, x.numel() // x.shape[1])


def _together(norm: _BatchNorm, statistics: Sequence[_Statistics]) -> _Statistics:
    """Combine the statistics of all shards and update the running ones, or return the running ones in evaluation mode."""
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: PT018
    if not norm.training:
        return _Statistics(norm.running_mean, norm.running_var, 0)
    n = sum(shard.n for shard in statistics)
    mean = torch.stack([shard.mean * (shard.n / n) for shard in statistics]).sum(dim=0)
    variance = torch.stack([(shard.variance + (shard.mean - mean).square()) * (shard.n / n) for shard in statistics]).sum(dim=0)
    assert norm.momentum is not None and norm.num_batches_tracked is not None  # noqa: PT018
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * (n / (n - 1)), norm.momentum)
    norm.num_batches_tracked += 1
    return _Statistics(mean, variance, n)


def _begin_backward(shard: _Shard, n: int) -> Tensor:
    """Set the gradient of the logits, and return the contribution of a shard to loss and error of a batch of `n`."""
    logits = shard.outputs[-1].detach().to(shard.target.dtype).flatten().requires_grad_()
    loss = functional.binary_cross_entropy_with_logits(logits, shard.target, reduction="sum") / n
    (grad,) = torch.autograd.grad(loss, logits)
    shard.grad = grad.view_as(shard.outputs[-1]).to(shard.outputs[-1].dtype)
    return torch.stack([loss.detach(), ((logits.detach() > 0) != (shard.target > 0.5)).sum() / n])


def _backward(
    detector: Detector, shards: list[_Shard], statistics: Sequence[_Statistics], threads: Workers
) -> dict[str, Tensor]:
    """Propagate the gradients back through all parts and return those of all weights."""
    weights = {name: weight for name, weight in detector.named_parameters() if weight.requires_grad}
    gradients: dict[str, Tensor] = {}
    # Gradient through mean and variance with respect to the input of the part, an affine function of that input.
    passed_on: Affine | None = None
    for part in reversed(range(len(statistics))):

        def back(shard: _Shard, part: int = part, passed_on: Affine | None = passed_on) -> tuple[Tensor, ...]:
            if passed_on is not None:
                shard.grad.add_(functional.batch_norm(shard.inputs[part + 1].detach(), *passed_on, False, 0.0, EPSILON))
            wanted = [*([shard.inputs[part]] if part else []), *weights.values()]
            grads = torch.autograd.grad(shard.outputs.pop(), wanted, shard.grad, allow_unused=True)
            if part:
                shard.grad, grads = grads[0], grads[1:]
            return grads

        for name, *of_shards in zip(weights, *threads.map(back, shards), strict=True):
            if of_shards[0] is not None:
                gradients[name] = functools.reduce(Tensor.add_, of_shards)
        if part and (seen := statistics[part]).n:
            norm, (of_weight, of_bias) = detector.norms[part], (gradients[name] for name in detector.norm_weights(part))
            factor = norm.weight.detach() * torch.rsqrt(seen.variance + norm.eps) / -seen.n
            passed_on = seen.mean, seen.variance, factor * of_weight, factor * of_bias
        else:
            passed_on = None
    return gradients
