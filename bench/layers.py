"""Layers of a suite: a CSV read by its header, as `clconv bench --suite` reads it, and what is said of a layer."""
import csv

COLUMNS = "N Cin D H W Cout kD kH kW sD sH sW pD pH pW dD dH dW groups".split()

# The classes of layers in the order of a report.
KINDS = ["3×3×3 and 1×3×3", "small images", "3×1×1", "one input channel", "stem", "pointwise", "depthwise",
         "grouped", "patch", "strided", "other"]
SMALL_IMAGE = 14


class Layer:
    """One row. Triples are in the order D, H, W."""

    def __init__(self, row):
        self.network, self.name = row["network"], row["layer"]
        self.numbers = [int(row[column]) for column in COLUMNS]
        n = self.numbers
        self.batch, self.in_channels, self.input, self.out_channels = n[0], n[1], n[2:5], n[5]
        self.kernel, self.stride, self.padding, self.dilation = n[6:9], n[9:12], n[12:15], n[15:18]
        self.groups = n[18]
        self.output = [(x + 2 * p - d * (k - 1) - 1) // s + 1 for x, p, d, k, s in
                       zip(self.input, self.padding, self.dilation, self.kernel, self.stride)]

    def gflop(self):
        """Of the definition: two for each multiply-add, padding included."""
        k, y = self.kernel, self.output
        terms = self.in_channels // self.groups * k[0] * k[1] * k[2]
        return 2e-9 * terms * self.batch * self.out_channels * y[0] * y[1] * y[2]

    def kind(self):
        unit = [1, 1, 1]
        if self.groups > 1:
            return "depthwise" if self.groups == self.in_channels else "grouped"
        if self.kernel == unit:
            return "pointwise"
        if self.kernel == self.stride:
            return "patch"
        if self.in_channels <= 4:
            return "one input channel" if self.in_channels == 1 else "stem"
        if max(self.stride[1:]) > 1:
            return "strided"
        if self.stride != unit or self.dilation != unit:
            return "other"
        if self.kernel == [3, 1, 1]:
            return "3×1×1"
        if self.kernel in ([3, 3, 3], [1, 3, 3]):
            return KINDS[0] if min(self.input[1:]) >= SMALL_IMAGE else "small images"
        return "other"

    def request(self, op="forward"):
        """The line by which a worker is asked for it."""
        return f"{op} " + " ".join(map(str, self.numbers))


def read_suite(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [Layer(row) for row in csv.DictReader(file) if row.get("transposed") != "1"]
