"""Conversion of a torch module to a feed-forward network, which exact tables require.

``torch.fx`` traces the module and runs it on an example. Before the first convolution or pool, all operations must be
pointwise. From there to the sum over the map, convolutions, pools, batch norms and activations are supported. After the sum,
any operation is allowed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ..errors import ConfigError
from .feedforward import FeedForward, Step, through

# Operations by name, as a layer, a function or a method of torch. Batch norm and dropout are in evaluation mode.
POINTWISE = re.compile(
    "relu6?|leakyrelu|prelu|[sc]?elu|gelu|silu|mish|hard(tanh|swish|sigmoid|shrink)|sigmoid|tanh|tanhshrink|soft(plus|sign|shrink)"
    "|logsigmoid|threshold|log(1p|2|10)?|exp|abs|square|sqrt|clamp|pow"
)
NOTHING = re.compile("identity|(alpha|featurealpha)?dropout[123]?d?|contiguous")
ARITHMETIC = re.compile("add|sub|mul|(true)?div")
MOVES = re.compile("(un)?flatten|view|reshape|(un)?squeeze|transpose|permute|swapaxes|getitem|movedim")
NORMS = re.compile("batchnorm[12]d")
AVERAGES = re.compile("mean|adaptiveavgpool2d")
MAX_WIDTH = 1024  # largest width of the sum over the last map, which is the number of columns of a table
WINDOWS = {  # arguments in torch's order, which are also the attributes of the layers
    "conv2d": ["weight", "bias", "stride", "padding", "dilation", "groups", "padding_mode"],
    "maxpool2d": ["kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"],
    "avgpool2d": ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"],
}
FUNCTIONS = {"conv2d": "conv2d", "maxpool2d": "max_pool2d", "avgpool2d": "avg_pool2d"}
MOVED: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda x: x,
    lambda x: x[:, None],
    lambda x: x.flatten(1),
    lambda x: x.flatten(0),
    lambda x: x[:, 0],
    lambda x: x.transpose(1, 2),
    lambda x: x.transpose(-1, -2),
    lambda x: x.transpose(1, -1),
    lambda x: x.transpose(1, 2)[:, None],
    lambda x: x[:, None].transpose(1, -1),
)


def feedforward_of_module(module: nn.Module, example: Tensor, read_out: Callable[[Tensor], Tensor]) -> FeedForward:
    """Convert a module that maps excerpts to logits into a feed-forward network.

    Parameters
    ----------
    module : nn.Module
        Module from (n, n_frames, n_bands) to (n,) or (n, n_labels), in evaluation mode. It is copied.
    example : Tensor, shape (n, n_frames, n_bands)
        At least two excerpts that differ.
    read_out : callable
        Function from the output of the module to logits of shape (n,).

    Returns
    -------
    FeedForward
        Network with the same logits as the module on the example.

    Raises
    ------
    ConfigError
        If the module does not have the required form. The message names the operation.
    """
    operations = _followed(module, example)
    start = next((i for i, o in enumerate(operations) if not o.is_entering), len(operations))
    entering, rest = operations[:start], operations[start:]
    first_map = rest[0].before if rest else example
    if first_map.ndim == 3:  # add a channel axis
        entering.append(_Operation("map", "move", lambda x: x[:, None], {}, first_map, first_map[:, None]))
        rest.insert(0, _Operation("map", "move", lambda x: x[:, 0], {}, first_map[:, None], first_map))
    end = next((i for i, o in enumerate(rest) if not o.is_map), len(rest) - 1)
    first = end if rest[end].is_linear else end + 1
    while first > 0 and rest[first - 1].is_linear:
        first -= 1
    last = max(first, end)
    while last < len(rest) and rest[last].is_linear:
        last += 1
    features, summing, after = rest[:first], rest[first:last], rest[last:]
    swapped = _is_swapped(entering, example)
    steps = tuple(operation.step(swapped) for operation in features) or (Step(lambda x: x),)

    def enter(excerpts: Tensor) -> Tensor:
        x = _run(entering, excerpts)
        return x.transpose(2, 3) if swapped else x

    def sums(maps: Tensor) -> Tensor:
        return _run(summing, maps.transpose(2, 3) if swapped else maps).flatten(1)

    with torch.no_grad():
        zeros = torch.zeros_like(through(steps, enter(example))[:1])
        bias = sums(zeros)[0]
    if len(bias) > min(MAX_WIDTH, zeros.numel() - 1) and zeros.shape[2] * zeros.shape[3] > 1:
        named = f"{after[0]} comes" if after else "the module ends"
        raise ConfigError(f"{named} before a dense layer or an average reduces the map to at most {MAX_WIDTH} values")
    weight = torch.autograd.functional.jacobian(lambda maps: sums(maps)[0], zeros)[:, 0].detach()
    shape = rest[max(last, first) - 1].after.shape[1:]
    network = FeedForward(
        enter, steps, weight, bias, lambda x: read_out(_run(after, x.unflatten(1, shape) if shape else x[:, 0]))
    )
    with torch.no_grad():
        expected, computed = read_out(module(example)), network.logits(example)
    if not torch.allclose(computed, expected, rtol=1e-3, atol=1e-4):
        raise ConfigError("the output of its layers in sequence does not match the output of the module")
    return network


@dataclass(frozen=True)
class _Operation:
    """Operation of the module, with its input and output for the example."""

    name: str
    kind: str
    run: Callable[[Tensor], Tensor]
    layer: dict[str, Any]
    before: Tensor
    after: Tensor

    def __str__(self) -> str:
        return f"{self.name} (from shape {tuple(self.before.shape)} to {tuple(self.after.shape)})"

    @property
    def is_map(self) -> bool:
        """Whether the output is a map with more than one position."""
        return self.after.ndim == 4 and self.after.shape[2] * self.after.shape[3] > 1

    @property
    def is_entering(self) -> bool:
        """Whether the operation treats each point of the excerpt separately."""
        return self.kind in ("pointwise", "arithmetic", "norm") or (self.kind == "move" and self.after.ndim in (3, 4))

    @property
    def is_linear(self) -> bool:
        return self.kind in ("conv2d", "avgpool2d", "average", "norm", "move", "linear")

    def step(self, swapped: bool) -> Step:
        """Return the operation as a step on maps (n, n_channels, n_frames, n_bands), which may be transposed in the module."""
        if self.kind in ("pointwise", "norm"):
            return Step(_turned(self.run) if swapped else self.run)
        if self.kind in WINDOWS:
            return self._window(swapped)
        raise ConfigError(f"{self} is not a supported convolution, pool, batch norm or activation on a map")

    def _window(self, swapped: bool) -> Step:
        of = self.layer
        dilation = _pair(of.get("dilation", 1))
        kernel = _pair([d * (k - 1) + 1 for d, k in zip(dilation, _pair(of["kernel_size"]), strict=True)])
        stride, padding = _pair(of["stride"]), of["padding"]
        if padding in ("same", "valid"):
            if padding == "same" and any(k % 2 == 0 for k in kernel):
                raise ConfigError(f"{self} pads one side more than the other")
            padding = tuple((k - 1) // 2 for k in kernel) if padding == "same" else (0, 0)
        padding = _pair(padding)
        if of.get("padding_mode", "zeros") != "zeros" or of.get("ceil_mode") or of.get("return_indices"):
            raise ConfigError(f"{self} pads with values other than zero, or rounds its output size up")
        if any(padding) and not of.get("count_include_pad", True):
            raise ConfigError(f"{self} averages fewer values at the edge")
        names = [name for name in WINDOWS[self.kind] if name not in ("padding", "kernel_size", "padding_mode")]
        given = {name: of[name] for name in names if name in of}
        if self.kind != "conv2d":
            given["kernel_size"] = of["kernel_size"]
        function: Callable[..., Tensor] = getattr(functional, FUNCTIONS[self.kind])
        padded: Callable[[Tensor], Tensor] = partial(function, **given, padding=padding)
        unpadded: Callable[[Tensor], Tensor] = partial(function, **given, padding=(0, 0))
        if swapped:
            kernel, stride, padding = kernel[::-1], stride[::-1], padding[::-1]
            padded, unpadded = _turned(padded), _turned(unpadded)
        return Step(padded, kernel, stride, padding, unpadded, self.kind == "maxpool2d")


def _run(operations: Sequence[_Operation], x: Tensor) -> Tensor:
    for operation in operations:
        x = operation.run(x)
    return x


def _turned(apply: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: apply(x.transpose(2, 3)).transpose(2, 3)


def _is_swapped(entering: Sequence[_Operation], example: Tensor) -> bool:
    """Return whether the module transposes excerpts to (bands, frames), determined by changing one point."""
    changed = example[:1].clone()
    changed[0, 1, 2] += 1.0
    with torch.no_grad():
        before, after = _run(entering, example[:1]), _run(entering, changed)
    if before.ndim == 4:
        places = {tuple(place[2:].tolist()) for place in (before != after).nonzero()}
        for swapped in (False, True):
            ends = example.shape[1:] if not swapped else example.shape[:0:-1]
            if before.shape[2:] == ends and places == {(2, 1) if swapped else (1, 2)}:
                return swapped
    raise ConfigError("the operations before the first convolution or pool do not return a map of frames and bands")


def _followed(module: nn.Module, example: Tensor) -> list[_Operation]:
    """Trace a module and list its operations, each of which must apply to the result of the previous one."""
    module = copy.deepcopy(module).eval()
    for part in module.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment]
    try:
        traced = fx.symbolic_trace(module)
    except Exception as error:
        raise ConfigError(f"torch.fx cannot trace the module ({type(error).__name__})") from error
    record = _Record(traced)
    with torch.no_grad():
        record.run(example)
    operations: list[_Operation] = []
    current = next(node for node in traced.graph.nodes if node.op == "placeholder")
    depends = {current}
    for node in traced.graph.nodes:
        tensors = [n for n in node.all_input_nodes if n in depends and isinstance(record.values[n], Tensor)]
        if node.op in ("placeholder", "get_attr") or not any(n in depends for n in node.all_input_nodes):
            continue
        if node.op == "output":
            if node.args[0] is not current:
                raise ConfigError("the module must return only its last result")
            continue
        depends.add(node)
        value = record.values[node]
        if not isinstance(value, Tensor):
            continue  # a shape, used by a rearrangement
        if tensors != [current]:
            raise ConfigError(f"{node.name} joins results, but only layers in sequence can be tabulated")
        operation = _operation(node, traced, record.values, current, depends)
        if operation.kind != "nothing":
            operations.append(operation)
        current = node
    if not operations:
        raise ConfigError("the module has no operations")
    return operations


class _Record(fx.Interpreter):
    """Interpreter that runs a graph and stores the result of each node."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        self.values[n] = super().run_node(n)
        return self.values[n]


def _operation(
    node: fx.Node, traced: fx.GraphModule, values: dict[fx.Node, Any], current: fx.Node, depends: set[fx.Node]
) -> _Operation:
    before, after = values[current], values[node]
    target: Any = traced.get_submodule(str(node.target)) if node.op == "call_module" else node.target
    name = type(target).__name__ if node.op == "call_module" else getattr(target, "__name__", str(target))
    known = name.lower().replace("_", "")
    layer: dict[str, Any] = {}
    kind, run = "other", _runner(node, target, values, current)
    if MOVES.fullmatch(known):
        move = next((m for m in MOVED if _is_same(m, before, after)), None)
        if move is None:
            return _Operation(name, "other", run, layer, before, after)
        return _Operation(name, "nothing" if move is MOVED[0] else "move", move, layer, before, after)
    if any(n in depends and n is not current for n in node.all_input_nodes):
        raise ConfigError(f"{node.name} uses the shape of a result but is not a rearrangement")
    if NOTHING.fullmatch(known):
        kind = "nothing"
    elif POINTWISE.fullmatch(known):
        kind = "pointwise"
    elif NORMS.fullmatch(known):
        kind = "norm"
    elif ARITHMETIC.fullmatch(known):
        kind = "arithmetic"
    elif AVERAGES.fullmatch(known):
        kind = "average"
    elif known in WINDOWS:
        kind, layer = known, _arguments(node, target, values, WINDOWS[known])
    elif known == "linear":
        kind = known
    return _Operation(name, kind, run, layer, before, after)


def _runner(node: fx.Node, target: Any, values: dict[fx.Node, Any], current: fx.Node) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda n: x if n is current else values[n])
        if "inplace" in kwargs:
            kwargs = {**kwargs, "inplace": False}
        result = getattr(args[0], target)(*args[1:], **kwargs) if node.op == "call_method" else target(*args, **kwargs)
        assert isinstance(result, Tensor)
        return result

    return run


def _arguments(node: fx.Node, target: Any, values: dict[fx.Node, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a convolution or pool, given as a layer or as a function call."""
    if isinstance(target, nn.Module):
        arguments = {name: getattr(target, name) for name in names if hasattr(target, name)}
    else:
        args, kwargs = fx.node.map_arg((node.args[1:], node.kwargs), values.__getitem__)
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
    if "weight" in arguments:
        arguments["kernel_size"] = tuple(arguments["weight"].shape[2:])
    if arguments.get("stride") is None:
        arguments["stride"] = 1 if "weight" in arguments else arguments["kernel_size"]
    arguments.setdefault("padding", 0)
    return arguments


def _is_same(move: Callable[[Tensor], Tensor], before: Tensor, after: Tensor) -> bool:
    try:
        return torch.equal(move(before), after)
    except (IndexError, RuntimeError):
        return False


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[-1])) if isinstance(value, tuple | list) else (int(value), int(value))
