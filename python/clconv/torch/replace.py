"""Putting clconv into networks that exist."""
from __future__ import annotations

import copy
import dataclasses
import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import fx

from . import modules, ops

Module = Any


@dataclasses.dataclass
class Replacement:
    """What a call did, by the names of modules; what was left, with the reason."""

    converted: list[str] = dataclasses.field(default_factory=list)
    left: dict[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"converted {len(self.converted)}, left {len(self.left)}"]
        return "\n".join(lines + [f"  left {name}: {why}" for name, why in self.left.items()])


_made: dict[type, type] = {torch.nn.Conv3d: modules.Conv3d, torch.nn.ConvTranspose3d: modules.ConvTranspose3d}


def _rebuild(original: type) -> Module:
    made = _class_of(original)
    return object.__new__(made)


def _reduce_ex(self: Module, protocol: int) -> tuple[Any, ...]:
    """Pickles by the class that it was made of, since a pickle cannot name a class made at run time."""
    return _rebuild, (type(self)._clconv_original,), self.__getstate__() if hasattr(self, "__getstate__") else self.__dict__


def _class_of(original: type) -> type:
    """The class of clconv for a class of convolutions."""
    if original not in _made:
        mixin = modules.ConvolveByClconv if issubclass(original, torch.nn.Conv3d) else modules.TransposeByClconv
        _made[original] = type(original.__name__, (mixin, original), {"_clconv_original": original, "__reduce_ex__": _reduce_ex,
                                                                     "__module__": original.__module__})
    return _made[original]


def _is_converted(module: Module) -> bool:
    return isinstance(module, (modules.ConvolveByClconv, modules.TransposeByClconv))


def _reason_to_leave(module: Module, name: str, include: Sequence[str], exclude: Sequence[str]) -> str | None:
    kind = type(module)
    own = "_conv_forward" if isinstance(module, torch.nn.Conv3d) else "forward"
    base = torch.nn.Conv3d if isinstance(module, torch.nn.Conv3d) else torch.nn.ConvTranspose3d
    if _is_converted(module):
        return "is clconv's already"
    if include and not any(fnmatch.fnmatch(name, pattern) for pattern in include):
        return "not included"
    if any(fnmatch.fnmatch(name, pattern) for pattern in exclude):
        return "excluded"
    if getattr(kind, own) is not getattr(base, own) or kind.forward is not base.forward:
        return f"{kind.__name__} has a forward pass of its own"
    if "forward" in vars(module) or own in vars(module):
        return "its forward pass was replaced on the object"
    if module.weight.dtype not in (torch.float32, torch.float64) or module.weight.device.type != "cpu":
        return f"its weight is {module.weight.dtype} on {module.weight.device}"
    return None


def replace_conv3d(model: Module, include: Sequence[str] = (), exclude: Sequence[str] = (), min_flops: float = 0,
                   report: Replacement | None = None) -> Module:
    """Makes the Conv3d and ConvTranspose3d of a model clconv's, in place, and those of their subclasses.

    Parameters
    ----------
    model : torch.nn.Module
    include, exclude : sequence of str
        Patterns of module names, such as ``"encoder.*"``.
    min_flops : float
        Layers with fewer operations for each output position (2 x weights) are left to torch.
    report : Replacement, optional
        Is filled; the model has it as ``clconv_report`` as well.

    Returns
    -------
    torch.nn.Module
        The model itself, or its replacement if it is a convolution.

    Examples
    --------
    >>> import torch, clconv.torch
    >>> net = clconv.torch.replace_conv3d(torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.ReLU()))
    >>> net.clconv_report.converted
    ['0']
    """
    done = Replacement() if report is None else report
    for name, module in model.named_modules():
        if not isinstance(module, (torch.nn.Conv3d, torch.nn.ConvTranspose3d)):
            continue
        why = _reason_to_leave(module, name, include, exclude)
        if why is None and 2 * module.weight.numel() < min_flops:
            why = f"has {2 * module.weight.numel()} operations for a position"
        if why is None:
            module.__class__ = _class_of(type(module))
            done.converted.append(name)
        else:
            done.left[name] = why
    object.__setattr__(model, "clconv_report", done)
    return model


def revert_conv3d(model: Module) -> Module:
    """Makes the convolutions torch's again, in place."""
    originals = {made: original for original, made in _made.items()}
    for module in model.modules():
        if _is_converted(module) and type(module) in originals:
            module.__class__ = originals[type(module)]
    model.__dict__.pop("clconv_report", None)
    return model


class FusedConv3d(modules.Conv3d):
    """A convolution with what follows it: residual and activation in its kernel. For inference."""

    activation: str = "none"
    activation_slope: float = 0.01

    def forward(self, input: Any, residual: Any = None) -> Any:
        with torch.no_grad():
            return ops.conv3d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
                              padding_mode=self.padding_mode, residual=residual, activation=self.activation,
                              activation_slope=self.activation_slope)


def _activation_of(node: fx.Node, named: dict[str, Module]) -> tuple[str, float] | None:
    """The activation that a node of a graph is."""
    nn, functional = torch.nn, torch.nn.functional
    if node.op == "call_module":
        module = named[str(node.target)]
        plain: dict[type, str] = {nn.ReLU: "relu", nn.SiLU: "silu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh"}
        if type(module) in plain:
            return plain[type(module)], 0.01
        if type(module) is nn.LeakyReLU:
            return "leaky_relu", float(module.negative_slope)
        if type(module) is nn.GELU and getattr(module, "approximate", "none") == "none":
            return "gelu", 0.01
    functions = {functional.relu: "relu", torch.relu: "relu", torch.sigmoid: "sigmoid", torch.tanh: "tanh"}
    if node.op == "call_function" and node.target in functions and len(node.args) == 1:
        return functions[node.target], 0.01
    return None


def _fuse_into(module: Module, norm: Module | None) -> FusedConv3d:
    """The convolution, with an eval-mode BatchNorm folded into its weight."""
    fused = copy.deepcopy(module)
    if norm is not None:
        fused = torch.nn.utils.fusion.fuse_conv_bn_eval(fused, norm)
    fused.__class__ = FusedConv3d
    for parameter in fused.parameters():
        parameter.requires_grad_(False)
    return fused  # type: ignore[no-any-return]


def _only_user(node: fx.Node) -> fx.Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 else None


def _is_sum(node: fx.Node) -> bool:
    import operator

    return node.op == "call_function" and node.target in (operator.add, operator.iadd, torch.add) and len(node.args) == 2 \
        and all(isinstance(a, fx.Node) for a in node.args) and not node.kwargs


def _replace_node(graph: Any, old: fx.Node, new: fx.Node) -> None:
    old.replace_all_uses_with(new)
    graph.erase_node(old)


def _fuse_one(graph: Any, node: fx.Node, named: dict[str, Module], traced: Module, done: Replacement) -> None:
    name = str(node.target)
    module, steps = named[name], ["conv"]
    follower = _only_user(node)
    norm = named.get(str(follower.target)) if follower is not None and follower.op == "call_module" else None
    if norm is None or type(norm) is not torch.nn.BatchNorm3d or norm.running_mean is None:
        norm = None
    fused = _fuse_into(module, norm)
    if norm is not None and follower is not None:
        _replace_node(graph, follower, node)
        steps.append("batchnorm")
    follower = _only_user(node)
    if follower is not None and _is_sum(follower):
        other = follower.args[0] if follower.args[1] is node else follower.args[1]
        order = {n: i for i, n in enumerate(graph.nodes)}
        if other is not node and isinstance(other, fx.Node):
            if order[other] > order[node]:  # the residual is made later: the convolution moves behind it
                other.append(node)
            node.args = (node.args[0], other)
            _replace_node(graph, follower, node)
            steps.append("residual")
            follower = _only_user(node)
    found = None if follower is None else _activation_of(follower, named)
    if found is not None and follower is not None:
        fused.activation, fused.activation_slope = found
        _replace_node(graph, follower, node)
        steps.append(found[0])
    parent, _, leaf = name.rpartition(".")
    setattr(traced.get_submodule(parent), leaf, fused)
    done.converted.append(f"{name}: {' + '.join(steps)}")


class _Tracer(fx.Tracer):  # type: ignore[misc]
    """Keeps convolutions whole, subclasses of torch's too, which torch.fx would look into."""

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        return isinstance(m, torch.nn.Conv3d) or bool(super().is_leaf_module(m, module_qualified_name))


def _trace(model: Module) -> Any:
    tracer = _Tracer()
    graph = tracer.trace(copy.deepcopy(model))
    return fx.GraphModule(tracer.root, graph)


def fuse_inference(model: Module, report: Replacement | None = None) -> Module:
    """A copy of a model in eval mode with BatchNorm folded into the weights of Conv3d, and activation and residual in its kernel.

    It is for inference alone. The returned ``torch.fx.GraphModule`` says in ``clconv_report`` what was fused.
    """
    if model.training:
        raise RuntimeError("the model is in training mode; fuse_inference() needs model.eval()")
    done = Replacement() if report is None else report
    traced = _trace(model)
    named = dict(traced.named_modules())
    used: dict[str, int] = {}
    for node in traced.graph.nodes:
        if node.op == "call_module":
            used[str(node.target)] = used.get(str(node.target), 0) + 1
    for node in list(traced.graph.nodes):
        module = named.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(module, torch.nn.Conv3d):
            continue
        why = _reason_to_leave(module, "", (), ()) if not _is_converted(module) else None
        if used[str(node.target)] > 1:
            why = "is used more than once"
        if why is None:
            _fuse_one(traced.graph, node, named, traced, done)
        else:
            done.left[str(node.target)] = why
    traced.graph.lint()
    traced.delete_all_unused_submodules()
    traced.recompile()
    traced.clconv_report = done
    return traced


def warmup(model: Module, shape: Iterable[int], progress: bool = False, dtype: Any = torch.float32) -> Module:
    """Runs a model once on zeros of a shape, so that what compiles has compiled; `progress` shows the layers by tqdm."""
    shape = tuple(shape)
    layers = [m for m in model.modules() if _is_converted(m)]
    bar: Any = None
    if progress:
        try:
            from tqdm.auto import tqdm

            bar = tqdm(total=len(layers), desc="clconv compiles", unit="layer")
        except ImportError:
            print(f"clconv compiles {len(layers)} layers", flush=True)
    hooks = [m.register_forward_hook(lambda *_: bar.update(1)) for m in layers] if bar is not None else []
    try:
        with torch.no_grad():
            model(torch.zeros(shape, dtype=dtype))
    finally:
        for hook in hooks:
            hook.remove()
        if bar is not None:
            bar.close()
    return model
