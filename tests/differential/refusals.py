"""Random illegal calls: a legal problem with one thing wrong, of every kind that `clconv run` refuses with status 2."""
import struct

import numpy as np

from problems import choose, generator, output_shape, random_problem, random_values, sides


class Call:
    """A call of `clconv run`: the bytes of its files by option, and the other options."""

    def __init__(self, problem):
        self.files = {name: npy_bytes(tensor) for name, tensor in problem.files().items()}
        self.options = problem.options()
        self.text = str(problem)

    def with_file(self, name, data, text):
        self.files[name] = data
        self.text += f"; {name}: {text}"
        return self

    def with_options(self, *options):
        self.options += options
        self.text += " " + " ".join(options)
        return self


def npy_bytes(tensor=None, descr="<f4", order="False", shape="(1,)", data=b"", version=1, length=None):
    """A .npy file from parts, any of which may lie."""
    if tensor is not None:
        descr, shape, data = tensor.dtype.str, str(tensor.shape), np.ascontiguousarray(tensor).tobytes()
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(header) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def illegal_extent(rng, p, option):
    values = [1, 1, 1]
    values[rng.integers(3)] = int(choose(rng, [0, -1, -2, -(2**31), -(2**63)]))
    p.padding = "valid"
    text = str(values[0]) if values[0] < 1 else ",".join(map(str, values))
    return Call(p).with_options("--" + option, text)


def stride(rng, p):
    return illegal_extent(rng, p, "stride")


def dilation(rng, p):
    return illegal_extent(rng, p, "dilation")


def groups_not_positive(rng, p):
    return Call(p).with_options("--groups", str(choose(rng, [0, -1, -4, -(2**63)])))


def groups_that_do_not_divide(rng, p):
    out, group_in = p.w.shape[:2]
    p.groups = int(out + rng.integers(1, 4))
    p.x = random_values(rng, (1, p.groups * group_in, *p.x.shape[-3:]), p.x.dtype)
    return Call(p)


def channels(rng, p):
    extra = int(rng.integers(1, 4))
    if rng.random() < 0.5:
        p.x = random_values(rng, (2, p.x.shape[-4] + extra, *p.x.shape[-3:]), p.x.dtype)
    else:
        p.w = random_values(rng, (p.w.shape[0], p.w.shape[1] + extra, *p.w.shape[2:]), p.w.dtype)
    return Call(p)


def rank(rng, p):
    name = choose(rng, ["input", "weight", "bias"])
    right = {"input": (4, 5), "weight": (5,), "bias": (1,)}[name]
    wrong = choose(rng, [n for n in range(8) if n not in right])
    return Call(p).with_file(name, npy_bytes(np.ones((1,) * wrong, p.x.dtype)), f"rank {wrong}")


def bias_length(rng, p):
    length = p.w.shape[0] + int(choose(rng, [-1, 1, 2, p.w.shape[0]]))
    return Call(p).with_file("bias", npy_bytes(np.ones(length, p.x.dtype)), f"{length} values")


def residual_shape(rng, p):
    """One extent more or less than the output's, or another rank."""
    pads = sides(p.padding, p.w.shape[-3:], p.dilation)
    shape = list(output_shape(p.x.shape, p.w.shape, p.stride, p.dilation, pads))
    if rng.random() < 0.3:
        shape = shape[1:] if rng.random() < 0.5 else [1] + shape
    else:
        shape[rng.integers(len(shape))] += int(choose(rng, [-1, 1, 3]))
    return Call(p).with_file("residual", npy_bytes(np.ones(shape, p.x.dtype)), f"shape {shape}")


def empty_extent(rng, p):
    name = choose(rng, ["input", "weight"])
    shape = list(p.files()[name].shape)
    shape[-1 - rng.integers(3)] = 0
    return Call(p).with_file(name, npy_bytes(np.zeros(shape, p.x.dtype)), f"shape {shape}")


def negative_padding(rng, p):
    values = [0] * choose(rng, [1, 3, 6])
    values[rng.integers(len(values))] = int(choose(rng, [-1, -3, -(2**63)]))
    return Call(p).with_options("--padding", ",".join(map(str, values)))


def kernel_beyond_input(rng, p):
    axis, pads = rng.integers(3), [int(rng.integers(3)) for _ in range(6)]
    kernel = [1, 1, 1]
    padded = p.x.shape[axis - 3] + pads[2 * axis] + pads[2 * axis + 1]
    kernel[axis] = padded + int(rng.integers(1, 4))
    p.dilation, p.padding, p.mode = (1, 1, 1), tuple(pads), "zeros"
    if rng.random() < 0.5:
        kernel[axis] = 2
        p.dilation = tuple(padded + int(rng.integers(3)) if a == axis else 1 for a in range(3))
    p.w = random_values(rng, (*p.w.shape[:2], *kernel), p.w.dtype)
    return Call(p)


def padding_beyond_mode(rng, p):
    axis, pads = rng.integers(3), [0] * 6
    p.mode = choose(rng, ["reflect", "circular", "symmetric"])
    least = p.x.shape[axis - 3] + (p.mode != "reflect")
    pads[2 * axis + rng.integers(2)] = least + int(choose(rng, [0, 0, 1, 5, 2**40]))
    p.w, p.padding, p.dilation = random_values(rng, (*p.w.shape[:2], 1, 1, 1), p.w.dtype), tuple(pads), (1, 1, 1)
    return Call(p)


def same_with_stride(rng, p):
    values = [1, 1, 1]
    values[rng.integers(3)] = int(rng.integers(2, 5))
    return Call(p).with_options("--padding", "same", "--stride", ",".join(map(str, values)))


def word(rng, p):
    option, words = choose(rng, [
        ("padding", ["full", "SAME", "", "1,2", "1,2,3,4", "1;2;3", "same ", "1,,1", "0x1"]),
        ("padding-mode", ["constant", "Zeros", "wrap", "", "reflect,zeros"]),
        ("stride", ["a", "1,2", "1.5", "", "1,1,1,1", "1,1,", "9" * 20]),
        ("dilation", ["b", "2,2", "1e1", " ", "1,1,1,1,1,1"]),
        ("groups", ["all", "1,1", "1.0", "", "2G"]),
        ("algorithm", ["fastest", "Winograd", "Direct", "direct,im2col_gemm"]),
        ("activation", ["Relu", "relu:1", "leaky_relu:", "leaky_relu:nan", "leaky_relu:-inf", "leaky_relu:1e999", "",
                        "gelu:tanh", "leaky_relu:0.1x"]),
        ("workspace-limit", ["-1", "1T", "K", "1KB", "1.5M", "9" * 21]),
    ])
    return Call(p).with_options("--" + option, choose(rng, words))


def option(rng, p):
    return Call(p).with_options(*choose(rng, [["--kernel", "3"], ["--pads", "1"], ["extra.npy"], ["--stride"], ["-x"],
                                              ["--strict=1"], ["--output-padding", "1"], ["--s", "1"]]))


def mixed_types(rng, p):
    name = choose(rng, ["input", "weight", "bias"])
    other = "f8" if p.x.dtype == np.float32 else "f4"
    tensor = p.files().get(name, np.ones(p.w.shape[0], p.x.dtype))
    return Call(p).with_file(name, npy_bytes(tensor.astype(other)), other)


def type_not_supported(rng, p):
    name = choose(rng, ["input", "weight"])
    dtype = choose(rng, ["<i4", "<i8", "<f2", "<c8", "|b1", "|u1", "<U4", ">i4", ">f2", "|S4", "<M8[s]"])
    tensor = p.files()[name]
    if dtype == "<M8[s]" or rng.random() < 0.2:
        return Call(p).with_file(name, npy_bytes(descr="|O", shape=tensor.shape, data=b"\x80\x03]q\0."), "objects")
    return Call(p).with_file(name, npy_bytes(np.ones(tensor.shape).astype(dtype)), dtype)


def wrong_length(rng, p):
    name = choose(rng, sorted(p.files()))
    data = npy_bytes(p.files()[name])
    length = int(choose(rng, [0, 5, 9, 10, 30, len(data) - 1, len(data) - 4, rng.integers(len(data))]))
    if rng.random() < 0.2:
        return Call(p).with_file(name, data + b"\0" * int(rng.integers(1, 9)), "trailing bytes")
    return Call(p).with_file(name, data[:length], f"first {length} of {len(data)} bytes")


def lying_header(rng, p):
    name, descr = choose(rng, ["input", "weight"]), p.x.dtype.str
    shape = list(p.files()[name].shape)
    data = p.files()[name].tobytes()
    shape[rng.integers(len(shape))] += int(choose(rng, [1, 7, 2**31, 2**40, 2**62]))
    text = choose(rng, ["(%s)" % ", ".join(map(str, shape)), "(-1, 1, 1, 1, 1)", "(1, 1, 1, 1, x)", "(2, 2.0, 1, 1, 1)",
                        "(1" + ",1" * 60 + ")", "(99999999999999999999, 1, 1, 1, 1)", "1", "None", "(1, 1, 1, 1, 1"])
    return Call(p).with_file(name, npy_bytes(descr=descr, shape=text, data=data), f"shape {text} of {len(data)} bytes")


def enormous_header(rng, p):
    length = int(choose(rng, [2**32 - 1, 2**31, 2**30, 2**24]))
    shape = p.x.shape
    data = npy_bytes(descr=p.x.dtype.str, shape=shape, data=p.x.tobytes(), version=choose(rng, [2, 3]), length=length)
    return Call(p).with_file("input", data, f"header of {length} bytes")


def no_npy(rng, p):
    data = choose(rng, [b"", b"hello\n", b"PK\3\4" + b"\0" * 40, b"\x93NUMPZ" + b"\1\0" + b"\0" * 99,
                        b"\x93NUMPY\x09\0" + b"\0" * 99, rng.bytes(500)])
    return Call(p).with_file(choose(rng, sorted(p.files())), data, f"{len(data)} bytes that are no .npy")


def missing_tensor(rng, p):
    call = Call(p)
    name = choose(rng, ["input", "weight"])
    del call.files[name]
    call.text += f"; no --{name}"
    return call


KINDS = [stride, dilation, groups_not_positive, groups_that_do_not_divide, channels, rank, bias_length,
         residual_shape, empty_extent, negative_padding, kernel_beyond_input, padding_beyond_mode, same_with_stride,
         word, option, mixed_types, type_not_supported, wrong_length, lying_header, enormous_header, no_npy, missing_tensor]


def random_refusal(seed, index):
    """The kinds in turn, each on another problem of at least one sample."""
    rng = generator(seed, "illegal", index)
    while True:
        problem = random_problem(seed, int(rng.integers(2**31)))
        problem.r = None  # its shape depends on what is changed
        if problem.x.size:
            return KINDS[index % len(KINDS)](rng, problem)
