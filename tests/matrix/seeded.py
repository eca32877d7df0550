#!/usr/bin/python3 -B
"""Mistakes made on purpose in a copy of cl/: each must be noticed by the member of the matrix that is there for it, which
without the mistake has nothing to say.

    seeded.py BUILD"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 300


@dataclasses.dataclass
class Mistake:
    name: str
    file: str
    right: str
    wrong: str
    command: list
    says: str


def mistakes(build):
    tiny = str(build / "tests/matrix/tiny")
    spirv = [sys.executable, "-B", str(ROOT / "tests/spirv/check_spirv.py"), str(build / "tests/spirv/list_programs")]
    races = ["oclgrind", "--data-races"]
    uninitialised = ["oclgrind", "--uninitialized", "--build-options", "-cl-opt-disable"]
    return [
        Mistake("a missing barrier", "common/weight_tile.clh",
                "        barrier(CLK_LOCAL_MEM_FENCE);\n        if", "        if",
                [*races, tiny, "gpu:4", "5/8", "weight_direct"], "data race at local memory"),
        Mistake("a read past the end", "any/direct_indexed.cl",
                "for (long c = 0; c < group_in; c++)", "for (long c = 0; c <= group_in; c++)",
                [tiny, "cpu:128", "5/8", "direct_indexed"], "FAILED: forward, direct_indexed"),
        Mistake("an accumulator without a start", "any/direct_indexed.cl",
                "acc[o] = (realv)(has_bias", "if (has_bias) acc[o] = (realv)(has_bias",
                [*uninitialised, tiny, "gpu:4", "5/8", "direct_indexed"], "Uninitialized"),
        Mistake("an offset of 32 bits", "any/direct_indexed.cl",
                "const long at = ((channel", "const int at = ((channel",
                [*spirv, "any/direct_indexed.cl"], "shorten-64-to-32"),
        Mistake("a builtin of clang", "common/types.clh",
                "#if VECTOR_WIDTH > 1 && defined(CLANG_BUILTINS)\n    __builtin_prefetch((const void *)(size_t)p, 0",
                "#if VECTOR_WIDTH > 1\n    __builtin_prefetch((const void *)(size_t)p, 0",
                [*spirv, "any/pad.cl"], "not OpenCL C 1.2: __builtin_prefetch"),
    ]


def environment(kernels, build):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("POCL_", "CLCONV_", "OCL_ICD"))}
    return kept | {"CLCONV_KERNEL_DIR": str(kernels), "POCL_CACHE_DIR": str(build / "pocl-cache"),
                   "CLCONV_DEVICE": "", "CLCONV_CACHE": "off", "OCL_ICD_VENDORS": "/etc/OpenCL/vendors/pocl.icd"}


def run(mistake, kernels, build):
    done = subprocess.run(mistake.command, env=environment(kernels, build), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LIMIT, check=False)
    return done.returncode, done.stdout


def seed(mistake, kernels):
    path = kernels / mistake.file
    text = path.read_text(encoding="utf-8")
    if text.count(mistake.right) != 1:
        return f"{mistake.file} has no such place any more"
    path.write_text(text.replace(mistake.right, mistake.wrong), encoding="utf-8")
    return None


def attempt(mistake, build):
    """What is wrong with the matrix; None if it noticed the mistake, and nothing without it."""
    with tempfile.TemporaryDirectory() as folder:
        kernels = pathlib.Path(folder) / "cl"
        shutil.copytree(ROOT / "cl", kernels)
        status, output = run(mistake, kernels, build)
        if status != 0 or mistake.says in output:
            return f"without it the status is {status}:\n{output[-2000:]}"
        stale = seed(mistake, kernels)
        if stale:
            return stale
        _, output = run(mistake, kernels, build)
        return None if mistake.says in output else f"not noticed:\n{output[-2000:]}"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    (build / "pocl-cache").mkdir(exist_ok=True)
    failed = 0
    for mistake in mistakes(build):
        wrong = attempt(mistake, build)
        failed += wrong is not None
        print(f"{mistake.name}: {wrong or 'noticed'}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
