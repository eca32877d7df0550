"""Runs the clconv tool against PyTorch in double: random legal problems must agree within the bounds that the library
promises, random illegal ones must be refused and leave no file, and initial parameters must have PyTorch's bits.

    differential.py --tool build/clconv [--count N] [--illegal M] [--init K] [--seed S] [--first I] [--jobs J]

A failure prints the options that run it alone. Needs PyTorch; Debian's is enough."""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import threading

import numpy as np

import problems
import pytorch
import refusals


class Difference(Exception):
    pass


class Skipped(Exception):
    """An algorithm that was asked for by name says why it cannot do the problem."""


def check(condition, text):
    if not condition:
        raise Difference(text)


class Tool:
    def __init__(self, path):
        self.path = os.path.abspath(path)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("CLCONV_") or k == "CLCONV_DEVICE"}

    def call(self, folder, *arguments):
        return subprocess.run([self.path, *arguments], cwd=folder, env=self.environment, timeout=900, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def done(self, folder, *arguments, named=None):
        """A call that must succeed, unless the algorithm `named` refuses it."""
        result = self.call(folder, *arguments)
        text = result.stderr.strip()
        refusal = f"clconv: error: algorithm '{named}' cannot do this problem: "
        if named and result.returncode == 1 and text.startswith(refusal):
            raise Skipped(text)
        check(result.returncode == 0, f"status {result.returncode}: {text}")
        check(result.stdout == "" and text == "", f"it should say nothing, but says: {result.stdout}{text}")


def check_legal(tool, problem):
    """The largest error as a share of what is allowed."""
    with tempfile.TemporaryDirectory(prefix="clconv-") as folder:
        arguments = []
        for name, tensor in problem.files().items():
            np.save(os.path.join(folder, name + ".npy"), problem.stored(tensor))
            arguments += [f"--{name}", name + ".npy"]
        named = problem.algorithm if problem.algorithm != "auto" else None
        tool.done(folder, "run", *arguments, *problem.options(), "--output", "y.npy", named=named)
        got = np.load(os.path.join(folder, "y.npy"))
    exact, magnitude = pytorch.expected(problem)
    check(got.shape == exact.shape, f"shape {got.shape}; PyTorch's is {exact.shape}")
    check(got.dtype == problem.x.dtype, f"type {got.dtype}; the input's is {problem.x.dtype}")
    share = np.abs(got - exact) / np.maximum(pytorch.allowed(problem, exact, magnitude), 1e-300)
    if share.size == 0:
        return 0.0
    worst = np.unravel_index(np.argmax(np.where(np.isnan(share), np.inf, share)), share.shape)
    check(share[worst] <= 1, f"at {tuple(map(int, worst))}: {got[worst]!r}; PyTorch has {exact[worst]!r}, an error of "
          f"{share[worst]:.3g} times what is allowed")
    return float(share[worst])


def snapshot(folder):
    contents = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            contents[name] = f.read()
    return contents


def check_illegal(tool, call, old_output):
    with tempfile.TemporaryDirectory(prefix="clconv-") as folder:
        arguments = []
        for name, data in list(call.files.items()) + ([("y", b"an old file")] if old_output else []):
            with open(os.path.join(folder, name + ".npy"), "wb") as f:
                f.write(data)
            arguments += [f"--{name}", name + ".npy"] if name != "y" else []
        before = snapshot(folder)
        result = tool.call(folder, "run", *arguments, "--output", "y.npy", *call.options)
        check(result.returncode == 2, f"status {result.returncode}, not 2: {result.stderr.strip()}")
        check(re.fullmatch(r"clconv: error: [^\n]+\n", result.stderr), f"no one-line error: {result.stderr!r}")
        check(result.stdout == "", f"output on a refusal: {result.stdout!r}")
        check(snapshot(folder) == before, "the folder changed")


def random_initial(seed, index):
    rng = problems.generator(seed, "init", index)
    groups = int(rng.choice([1, 1, 2, 3, 8]))
    shape = [groups * int(rng.integers(1, 9)), int(rng.integers(1, 12)), *(int(n) for n in rng.integers(1, 6, 3))]
    if index % 4 == 0:  # PyTorch could fill fewer than 16 values in another way
        shape = [groups, 1, 1, 1, int(rng.integers(1, 16))]
    seeds = [0, 1, 42, int(rng.integers(2**31)), int(rng.integers(2**63)), 2**32 + 1, 2**64 - 1]
    return shape, groups, problems.choose(rng, seeds), bool(rng.random() < 0.7)


def check_initial(tool, shape, groups, seed, with_bias):
    weight, bias = pytorch.initial_parameters(shape, groups, seed)
    with tempfile.TemporaryDirectory(prefix="clconv-") as folder:
        more = ["--bias", "b.npy"] if with_bias else []
        tool.done(folder, "init", "--weight-shape", ",".join(map(str, shape)), "--groups", str(groups), "--seed",
                  str(seed), "--weight", "w.npy", *more)
        for name, right in [("w.npy", weight), ("b.npy", bias)][:1 + with_bias]:
            got = np.load(os.path.join(folder, name))
            check(got.dtype == np.float32 and got.shape == right.shape, f"{name}: {got.dtype}{got.shape}")
            check(got.tobytes() == right.tobytes(), f"{name}: {(got != right).sum()} of {got.size} values differ")


class Report:
    def __init__(self, seed):
        self.seed, self.passed, self.failed, self.worst, self.skipped = seed, 0, 0, {}, {}
        self.lock = threading.Lock()

    def run(self, option, index, text, test):
        """One test; nothing that it raises ends the others."""
        result = failure = None
        try:
            result = test()
        except Skipped as refusal:
            reason = re.sub(r"\b[0-9]+", "N", refusal.args[0])
            with self.lock:
                self.skipped[reason] = self.skipped.get(reason, 0) + 1
            return
        except Exception as problem:
            failure = f"{type(problem).__name__}: {problem}"
        with self.lock:
            self.passed += failure is None
            self.failed += failure is not None
            if failure:
                print(f"FAILED {text}\n  {failure}\n  alone: --seed {self.seed} --first {index} {option}", flush=True)
            if result:
                self.worst[result[0]] = max(result[1], self.worst.get(result[0], 0.0))


def alone(name):
    return " ".join(f"--{kind} {int(kind == name)}" for kind in ("count", "illegal", "init"))


def legal_test(tool, problem):
    return lambda: (f"{problem.algorithm} {problem.activation} {problem.x.dtype}", check_legal(tool, problem))


def run_batch(tool, report, seed, indices):
    for i in indices:
        problem = problems.random_problem(seed, i)
        report.run(alone("count"), i, str(problem), legal_test(tool, problem))


def run_examples(tool, report, seed):
    for problem in problems.page_examples(seed):
        report.run(alone("examples") + " --examples", 0, "the Conv3d page's: " + str(problem), legal_test(tool, problem))


def run_refusals(tool, report, seed, indices):
    for i in indices:
        call = refusals.random_refusal(seed, i)
        report.run(alone("illegal"), i, call.text, lambda: check_illegal(tool, call, i % 2))


def run_initial(tool, report, seed, indices):
    for i in indices:
        case = random_initial(seed, i)
        report.run(alone("init"), i, f"init {case}", lambda: check_initial(tool, *case))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tool", required=True, metavar="PATH")
    for name, default in [("count", 60), ("illegal", 40), ("init", 5), ("seed", 1), ("first", 0), ("jobs", 2)]:
        parser.add_argument("--" + name, type=int, default=default, metavar=name[0].upper())
    parser.add_argument("--examples", action="store_true", help="the two examples of the Conv3d page too")
    return parser.parse_args()


def main():
    o = parse()
    tool, report = Tool(o.tool), Report(o.seed)
    pytorch.torch.set_num_threads(1)
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool, \
            tempfile.TemporaryDirectory(prefix="clconv-pocl-") as cache:
        tool.environment.setdefault("POCL_CACHE_DIR", cache)
        work = [pool.submit(run_examples, tool, report, o.seed)] if o.examples else []
        for run, count, step in [(run_batch, o.count, problems.BATCH), (run_refusals, o.illegal, 32),
                                 (run_initial, o.init, 32)]:
            work += [pool.submit(run, tool, report, o.seed, range(i, min(i + step, o.first + count)))
                     for i in range(o.first, o.first + count, step)]
        for done in concurrent.futures.as_completed(work):
            done.result()
    for name, share in sorted(report.worst.items()):
        print(f"largest error of {name}: {share:.3f} of what is allowed")
    for reason, times in sorted(report.skipped.items()):
        print(f"skipped {times}: {reason}")
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
