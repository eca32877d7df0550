"""What PyTorch says: convolutions in double with the error that is allowed against them, and initial parameters."""
import threading
import warnings

import numpy as np
import torch

import problems

PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric"}
seeding = threading.Lock()
warnings.filterwarnings("ignore", message="Using padding='same'")  # slower, but right


def apply(problem, x, w, b):
    """PyTorch's convolution of a batched input; what nn.Conv3d does not take, asymmetric and symmetric padding, is done before."""
    padding, mode = problem.padding, problem.mode
    if len(padding) == 6 or mode == "symmetric":
        pads = [(0, 0), (0, 0), *problems.sides(padding, w.shape[2:], problem.dilation)]
        more = {} if mode == "zeros" else {"mode": PAD_MODES[mode]}
        x = torch.from_numpy(np.pad(x.numpy(), pads, **more))
        padding, mode = 0, "zeros"
    module = torch.nn.Conv3d(x.shape[1], w.shape[0], tuple(w.shape[2:]), problem.stride, padding, problem.dilation,
                             problem.groups, b is not None, mode, device="meta", dtype=torch.float64)
    module.weight = torch.nn.Parameter(w, requires_grad=False)
    if b is not None:
        module.bias = torch.nn.Parameter(b, requires_grad=False)
    with torch.no_grad():
        return module(x)


def activate(problem, y):
    """The activation of a double; a slope is one of the problem's type."""
    functional = torch.nn.functional
    slope = float(problem.x.dtype.type(0.01 if problem.slope is None else problem.slope))
    return {"none": lambda v: v, "relu": functional.relu, "silu": functional.silu, "sigmoid": torch.sigmoid,
            "tanh": torch.tanh, "gelu": functional.gelu,
            "leaky_relu": lambda v: functional.leaky_relu(v, slope)}[problem.activation](y)


def expected(problem):
    """The result in double and |w| * |x| + |b| + |r|, of the output's shape."""
    x, w, b = (None if t is None else torch.from_numpy(t.astype(np.float64)) for t in (problem.x, problem.w, problem.b))
    batched = x if x.dim() == 5 else x[None]
    samples = batched.shape[0]
    if samples == 0:  # one sample gives the shape
        batched = x.new_zeros((1, *x.shape[1:]))
    exact = apply(problem, batched, w, b)[:samples]
    magnitude = apply(problem, batched.abs(), w.abs(), None if b is None else b.abs())[:samples]
    if x.dim() == 4:
        exact, magnitude = exact[0], magnitude[0]
    if problem.r is not None:
        residual = torch.from_numpy(problem.r.astype(np.float64))
        exact, magnitude = exact + residual, magnitude + residual.abs()
    return activate(problem, exact).numpy(), magnitude.numpy()


def gamma(n, u):
    return n * u / (1 - n * u)


def roundings_of(terms):
    """Roundings that a term of a sum passes through at most (docs/numerics.md)."""
    return min(terms + 1, 512 + terms / 2**15)


# |activation'| at most, and the roundings of the activation (docs/numerics.md).
ACTIVATION_ERRORS = {"none": (1, 0), "relu": (1, 0), "leaky_relu": (1, 1), "silu": (1.1, 16), "sigmoid": (0.25, 16),
                     "tanh": (1, 12), "gelu": (1.13, 20)}


def allowed(problem, exact, magnitude):
    """How far a result may be from PyTorch's: what `auto` promises, or what a directly accumulating algorithm does; and
    PyTorch's own rounding, which counts where the result is in double too."""
    terms = problem.w[0].size + (problem.r is not None)
    u, least = (2.0**-24, 2.0**-149) if problem.x.dtype == np.float32 else (2.0**-53, 2.0**-1074)
    if problem.algorithm == "auto":
        bound = 2 * u * (16 + terms**0.5 / 2) * magnitude + (terms + 2) * least
    else:
        bound = gamma(roundings_of(terms), u) * magnitude + 2 * terms * least
    bound = bound + gamma(terms + 1, 2.0**-53) * magnitude
    steepest, roundings = ACTIVATION_ERRORS[problem.activation]
    if problem.slope is not None:
        steepest = max(1, abs(problem.slope))
    if roundings == 0:
        return bound
    size = magnitude if problem.activation == "gelu" else np.abs(exact)
    return steepest * bound + roundings * (u + 2.0**-53) * (size + steepest * bound) + 2.0**10 * np.finfo(
        problem.x.dtype).tiny


def initial_parameters(shape, groups, seed):
    """weight and bias of a new torch.nn.Conv3d after torch.manual_seed(seed)."""
    with seeding:
        torch.manual_seed(seed)
        module = torch.nn.Conv3d(shape[1] * groups, shape[0], tuple(shape[2:]), groups=groups)
    return module.weight.detach().numpy(), module.bias.detach().numpy()
