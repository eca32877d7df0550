"""Random legal problems over all that `clconv run` takes.

Problem i of a seed is always the same one. What a kernel is compiled for (the width's kernel, stride and dilation, the
height's stride, the output channels of a group, the type, the activation, whether there is a residual) is drawn once
for each BATCH consecutive problems, all else for each problem, since a device's compiler takes much longer than a small
convolution."""
import dataclasses

import numpy as np

BATCH = 8
ACTIVATIONS = ["none", "none", "relu", "leaky_relu", "silu", "sigmoid", "tanh", "gelu"]
MODES = ["zeros", "reflect", "replicate", "circular", "symmetric"]
ALGORITHMS = ["auto"] * 6 + ["direct", "direct_indexed", "im2col_gemm"]


@dataclasses.dataclass
class Problem:
    x: np.ndarray  # (N, C, D, H, W), or (C, D, H, W)
    w: np.ndarray
    b: np.ndarray  # None: no bias
    r: np.ndarray  # None: no residual
    stride: tuple
    padding: object  # "same", "valid", or 3 or 6 integers as the tool takes them
    dilation: tuple
    groups: int = 1
    mode: str = "zeros"
    activation: str = "none"
    slope: float = None  # None: the activation has none, or its default is meant
    algorithm: str = "auto"
    more: tuple = ()  # options that must not change the result
    short: bool = False  # equal values of three axes are written as one
    order: str = "C"  # of the elements in files
    endianness: str = "<"  # of the bytes in files

    def extents(self, values):
        if isinstance(values, str):
            return values
        if self.short and len(values) == 3 and len(set(values)) == 1:
            values = values[:1]
        return ",".join(map(str, values))

    def files(self):
        """The tensors by option."""
        tensors = {"input": self.x, "weight": self.w, "bias": self.b, "residual": self.r}
        return {name: tensor for name, tensor in tensors.items() if tensor is not None}

    def stored(self, tensor):
        """The tensor as its file has it."""
        return np.asarray(tensor, tensor.dtype.newbyteorder(self.endianness), order=self.order)

    def activation_text(self):
        return self.activation if self.slope is None else f"{self.activation}:{self.slope!r}"

    def options(self):
        """The options that are not tensors. Defaults are left out if `short`."""
        text = {"stride": self.extents(self.stride), "padding": self.extents(self.padding),
                "dilation": self.extents(self.dilation), "groups": str(self.groups), "padding-mode": self.mode,
                "activation": self.activation_text(), "algorithm": self.algorithm}
        default = {"stride": "1", "padding": "0", "dilation": "1", "groups": "1", "padding-mode": "zeros",
                   "activation": "none", "algorithm": "auto"}
        kept = [[f"--{name}", value] for name, value in text.items() if not (self.short and value == default[name])]
        return sum(kept, []) + list(self.more)

    def __str__(self):
        shapes = [f"--{name} {tensor.dtype}{list(tensor.shape)}" for name, tensor in self.files().items()]
        return " ".join(["run", *shapes, *self.options()])


def generator(seed, kind, index):
    return np.random.default_rng([seed, sum(kind.encode()), index])


def choose(rng, values):
    return values[rng.integers(len(values))]


def kernel_class(rng):
    return {"kernel": choose(rng, [1, 1, 2, 3, 3, 3, 4, 5, 7, 9]), "stride_h": choose(rng, [1, 1, 1, 2, 2, 3]),
            "stride_w": choose(rng, [1, 1, 1, 2, 2, 3, 4]), "dilation": choose(rng, [1, 1, 1, 2, 3]),
            "out": choose(rng, [1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 10, 12, 16, 16, 20, 24]),
            "dtype": choose(rng, ["f4", "f4", "f4", "f8"])}


def random_padding(rng, same_is_legal):
    form = choose(rng, ["one", "one", "three", "three", "six", "six", "same", "same", "valid"])
    if form == "valid" or (form == "same" and same_is_legal):
        return form
    amounts = [0, 1, 1, 2, 3] if rng.random() < 0.8 else [0, 4, 5, 6, 9]
    count = {"one": 1, "three": 3}.get(form, 6)
    values = tuple(int(choose(rng, amounts)) for _ in range(count))
    return values * 3 if count == 1 else values


def sides(padding, kernel, dilation):
    """(before, after) for each axis."""
    if padding == "valid":
        return [(0, 0)] * 3
    if padding == "same":
        return [(d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2) for k, d in zip(kernel, dilation)]
    return [(p, p) for p in padding] if len(padding) == 3 else [padding[i:i + 2] for i in (0, 2, 4)]


def random_input_size(rng, kernel, dilation, pads, mode):
    size = []
    for axis in range(3):
        at_least = max(1, dilation[axis] * (kernel[axis] - 1) + 1 - sum(pads[axis]))
        at_least = max(at_least, max(pads[axis]) + {"reflect": 1, "circular": 0, "symmetric": 0}.get(mode, -99))
        drawn = rng.integers(1, 71) if axis == 2 and rng.random() < 0.25 else rng.integers(1, 15)
        size.append(int(max(at_least, drawn)))
    return size


def random_channels(rng, group_out):
    """groups and input channels of a group; depthwise is one of each."""
    groups = int(choose(rng, [1, 1, 1, 2, 3, 4, 6, 16])) if group_out <= 4 else int(choose(rng, [1, 1, 2]))
    group_in = 1 if rng.random() < 0.2 else int(rng.integers(1, 25 // groups + 1))
    return groups, group_in


def random_more(rng):
    more = []
    if rng.random() < 0.25:
        more += ["--workspace-limit", choose(rng, ["0", "1", "4K", "64K", "300K", "1M", "2G"])]
    if rng.random() < 0.15:
        more += ["--strict"]
    return tuple(more)


def random_values(rng, shape, dtype):
    """Zero-mean, at a scale of its own."""
    return (rng.standard_normal(shape) * 2.0 ** rng.integers(-6, 7)).astype(dtype)


def output_shape(x_shape, w_shape, stride, dilation, pads):
    extents = [(x + sum(p) - d * (k - 1) - 1) // s + 1
               for x, k, s, d, p in zip(x_shape[-3:], w_shape[-3:], stride, dilation, pads)]
    return (*x_shape[:-4], w_shape[0], *extents)


def random_epilogue(seed, index):
    """activation, slope, and whether there is a residual."""
    shared, own = generator(seed, "activation", index // BATCH), generator(seed, "epilogue", index)
    activation, has_residual = choose(shared, ACTIVATIONS), bool(shared.random() < 0.4)
    slopes = [None, 0.25, -2.0, 0.0, float(own.standard_normal())]
    return activation, choose(own, slopes) if activation == "leaky_relu" else None, has_residual


def random_problem(seed, index):
    k = kernel_class(generator(seed, "class", index // BATCH))
    rng = generator(seed, "legal", index)
    kernel = [int(choose(rng, [1, 1, 2, 3, 3, 4, 5])), int(choose(rng, [1, 1, 2, 3, 3, 4, 5])), k["kernel"]]
    stride = (int(choose(rng, [1, 1, 1, 2, 3])), k["stride_h"], k["stride_w"])
    dilation = (int(choose(rng, [1, 1, 2, 3])), int(choose(rng, [1, 1, 2, 3])), k["dilation"])
    mode = choose(rng, MODES)
    padding = random_padding(rng, stride == (1, 1, 1))
    pads = sides(padding, kernel, dilation)
    size = random_input_size(rng, kernel, dilation, pads, mode)
    groups, group_in = random_channels(rng, k["out"])
    samples = [int(choose(rng, [1, 1, 2, 2, 3, 5]))] if rng.random() < 0.75 else []
    if rng.random() < 0.04:
        samples = [0]
    algorithm = choose(rng, ALGORITHMS)
    x_shape, w_shape = (*samples, groups * group_in, *size), (groups * k["out"], group_in, *kernel)
    activation, slope, has_residual = random_epilogue(seed, index)
    problem = Problem(x=random_values(rng, x_shape, k["dtype"]), w=random_values(rng, w_shape, k["dtype"]),
                      b=random_values(rng, groups * k["out"], k["dtype"]) if rng.random() < 0.5 else None, r=None,
                      stride=stride, padding=padding, dilation=dilation, groups=groups, mode=mode,
                      activation=activation, slope=slope, algorithm=algorithm, more=random_more(rng),
                      short=bool(rng.random() < 0.5))
    if has_residual:
        problem.r = random_values(rng, output_shape(x_shape, w_shape, stride, dilation, pads), k["dtype"])
    problem.order, problem.endianness = choose(rng, "CCF"), choose(rng, "<<>")
    return problem


def page_examples(seed):
    """The two modules of the Conv3d page on its input, with random values in place of learned ones."""
    for index, (kernel, stride, padding) in enumerate([((3, 3, 3), (2, 2, 2), (0, 0, 0)),
                                                       ((3, 5, 2), (2, 1, 1), (4, 2, 0))]):
        rng = generator(seed, "page", index)
        yield Problem(x=random_values(rng, (20, 16, 10, 50, 100), "f4"), w=random_values(rng, (33, 16, *kernel), "f4"),
                      b=random_values(rng, 33, "f4"), r=None, stride=stride, padding=padding, dilation=(1, 1, 1),
                      short=True)
