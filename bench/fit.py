#!/usr/bin/env python3
"""The numbers of a family of machines (src/machine/families/) from timings of every algorithm on a machine of it.

    bench/fit.py bench/machines/NAME.json ...   refits the family that the files name, from the numbers that it has now
    bench/fit.py --check                        what the choice loses on each machine of bench/machines/

Regret is the time of the algorithm that is chosen by that of the best one. Every fourth network is held out of the fit, and
reported apart. docs/machines.md says how to add a machine."""
import argparse
import glob
import json
import math
import os
import statistics
import subprocess
import sys
import textwrap

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FAMILIES = os.path.join(REPOSITORY, "src", "machine", "families")
HELD_OUT = 1  # of every four networks in alphabetical order, unless a machine has few layers
FEW = 50
NEAR = 0.08  # algorithms whose estimates differ by such a part may both be chosen
ESTIMATES = 0.3  # how much an estimate's own error counts beside regret
WIDTH = 110  # of a line of a family
CHANGE = 0.002  # and how much it counts to change a number
WORST = 6  # and large regrets beside small ones
STEPS = (1.25, 1.12, 1.06)
SHARES = ("share", "volume", "one_tap", "panel", "frequency")  # of the peak: at most 1
# Choices of blocks, the definition, what timings of whole layers do not tell, and what decides the tile of a weight's gradient
# and so the order of its sums.
FIXED = ("launch_seconds", "core.", "plain.indexed", "plain.gemm", "plain.implicit", "winograd.cut_rows", "winograd.over_slice",
         "winograd.weight_share", "weights.line", "weights.split_load", "weights.least", "weights.step")


class Estimator:
    """bench/fit/estimate.c as a process: the library's own choice with other numbers."""

    def __init__(self, build, data):
        device = data["device"]
        program = os.path.join(build, "bench", "estimate")
        self.process = subprocess.Popen([program, device["type"], device["name"], device["vendor"],
                                         str(device["vector_bits"])], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        for layer in data["layers"]:
            self.say(f"{layer['op']} {' '.join(map(str, layer['problem']))}")

    def say(self, line):
        self.process.stdin.write(line + "\n")

    def ask(self, line):
        self.say(line)
        self.process.stdin.flush()
        return list(iter(lambda: self.process.stdout.readline().rstrip("\n"), ""))

    def members(self):
        return {name: float(value) for name, value in map(str.split, self.ask("show"))}

    def set(self, name, value):
        self.say(f"set {name} {value:.6g}")

    def estimates(self):
        """Milliseconds by algorithm, for each layer."""
        return [{name: 1e3 * float(seconds) for name, seconds in (word.split("=") for word in line.split()[1:])}
                for line in self.ask("go")]


def regret(layer, estimates):
    known = [name for name in layer["ms"] if name in estimates]
    return layer["ms"][min(known, key=estimates.get)] / min(layer["ms"].values())


def loss_of_layer(layer, estimates):
    """The regret, as a smooth function of the estimates."""
    best = min(layer["ms"].values())
    logs = {name: math.log(estimates[name]) for name in layer["ms"] if name in estimates}
    least = min(logs.values())
    weights = {name: math.exp((least - value) / NEAR) for name, value in logs.items()}
    expected = sum(weight * math.log(layer["ms"][name] / best) for name, weight in weights.items())
    expected /= sum(weights.values())
    return expected + WORST * expected * expected


def error_of_estimates(pairs):
    """The mean error of estimates, of those most that are near the best."""
    total = count = 0
    for layer, estimates in pairs:
        best = min(layer["ms"].values())
        for name in layer["ms"]:
            if name in estimates:
                weight = (best / layer["ms"][name]) ** 2
                total += weight * min(abs(math.log(layer["ms"][name] / estimates[name])), 0.5)
                count += weight
    return total / count


class Machine:
    """A file of timings, and the estimates for its layers."""

    def __init__(self, path, build):
        self.path, self.data = path, load(path)
        self.layers = self.data["layers"]
        self.estimator = Estimator(build, self.data)

    def pairs(self):
        """Layers and their estimates, without those that are held out of a fit."""
        fitted = set(split(self.layers)[0])
        return [(self.layers[i], e) for i, e in enumerate(self.estimator.estimates()) if i in fitted]

    def report(self):
        return report(os.path.basename(self.path), self.layers, self.estimator.estimates())


class Fit:
    """Numbers that are changed one by one, by smaller and smaller steps, as long as that helps."""

    def __init__(self, machines):
        self.machines = machines
        self.start = machines[0].estimator.members()
        self.values = {name: value for name, value in self.start.items() if not name.startswith(FIXED)}
        self.least = self.loss()

    def loss(self):
        pairs = [pair for machine in self.machines for pair in machine.pairs()]
        moved = sum(min(abs(math.log(value / self.start[name])), 2) for name, value in self.values.items() if value > 0)
        return (statistics.fmean(loss_of_layer(*pair) for pair in pairs) + ESTIMATES * error_of_estimates(pairs) +
                CHANGE * moved)

    def set(self, name, value):
        self.values[name] = value
        for machine in self.machines:
            machine.estimator.set(name, value)

    def try_value(self, name, value):
        if value > 1 and name.endswith(SHARES):
            return False
        old = self.values[name]
        self.set(name, value)
        loss = self.loss()
        if loss < self.least - 1e-5:
            self.least = loss
            return True
        self.set(name, old)
        return False

    def run(self):
        for step in STEPS:
            improves = True
            while improves:
                changed = [name for name in self.values if self.try_value(name, self.values[name] * step) or
                           self.try_value(name, self.values[name] / step)]
                improves = len(changed) > 0
                print(f"steps of {step}: {self.least:.4f}", file=sys.stderr, flush=True)


def split(layers):
    """The layers that are fitted, and those that are held out."""
    networks = sorted({layer["network"] for layer in layers})
    held = {network for i, network in enumerate(networks) if i % 4 == HELD_OUT and len(layers) >= FEW}
    return ([i for i, layer in enumerate(layers) if layer["network"] not in held],
            [i for i, layer in enumerate(layers) if layer["network"] in held])


def report(name, layers, estimates):
    fitted, held = split(layers)
    regrets = [regret(layer, e) for layer, e in zip(layers, estimates)]

    def mean(wanted):
        if not wanted:
            return "none"
        return f"{100 * (statistics.geometric_mean(regrets[i] for i in wanted) - 1):.1f}%"

    far = sum(value > 1.4 for value in regrets)
    return (f"{name}: {len(layers)} layers, regret {mean(range(len(layers)))}; fitted {mean(fitted)}, held out "
            f"{mean(held)}; above 40%: {far}, the worst {100 * (max(regrets) - 1):.0f}%")


def origin_of(machine):
    data = machine.data
    return (f"{os.path.relpath(machine.path, REPOSITORY)} ({data['machine']}; {data['runtime']}, {data['date']}, commit "
            f"{data['commit']})")


def write_family(path, machines, members):
    """The .inc file of a family: rates, and the groups of its numbers."""
    origin = f"/* Fitted by bench/fit.py to {'; '.join(map(origin_of, machines))}. */"
    lines = [textwrap.fill(origin, WIDTH, subsequent_indent=" * ", break_on_hyphens=False)]
    groups = {}
    for name, value in members.items():
        group, _, member = name.rpartition(".")
        groups.setdefault(group, []).append(f".{member} = {value:.4g}")
    lines += [text + "," for text in groups.pop("")]
    for group, texts in groups.items():
        text = f".{group} = {{{', '.join(texts)}}},".replace(" = ", "\xa0=\xa0")  # which lines do not end at
        lines.append(textwrap.fill(text, WIDTH, subsequent_indent=" " * (len(group) + 5)).replace("\xa0", " "))
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(path + ".tmp", path)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def build_estimator(folder):
    for command in (["cmake", "-S", REPOSITORY, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DCLCONV_TESTS=OFF",
                     "-DCLCONV_BENCH=ON"], ["cmake", "--build", folder, "--target", "estimate", "-j2"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def refit(arguments):
    machines = [Machine(path, arguments.build) for path in arguments.data]
    fit = Fit(machines)
    print("before: " + "; ".join(machine.report() for machine in machines))
    fit.run()
    print("after:  " + "; ".join(machine.report() for machine in machines))
    family = machines[0].data["family"]
    write_family(os.path.join(FAMILIES, family + ".inc"), machines, machines[0].estimator.members())


def check(arguments):
    for path in sorted(glob.glob(os.path.join(REPOSITORY, "bench", "machines", "*.json"))):
        print(Machine(path, arguments.build).report())


def main():
    parser = argparse.ArgumentParser(description="Fits a family of machines to timings, or checks all of them.")
    parser.add_argument("data", nargs="*", metavar="FILE", help="timings of a machine, as bench/regret.py --json has them")
    parser.add_argument("--check", action="store_true", help="reports the regret on every machine")
    parser.add_argument("--build", default=os.path.join(REPOSITORY, "build", "bench"), metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.check == bool(arguments.data):
        parser.error("either FILE or --check")
    build_estimator(arguments.build)
    check(arguments) if arguments.check else refit(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
