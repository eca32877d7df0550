"""Every program that clconv_check() may build is OpenCL C 1.2, and valid SPIR-V for OpenCL 1.2.

    check_spirv.py LIST_PROGRAMS [SOURCE]

LIST_PROGRAMS is tests/spirv/list_programs.c; SOURCE, such as any/pad.cl, asks for programs of that file alone. Each goes
through clang for spir64 with warnings as errors, through llvm-spirv and spirv-val. A control that must fail, a builtin of
clang, goes first. CLCONV_KERNEL_DIR names other sources, as always. Exit status 1 if one fails."""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Functions of headers are not all used in each program, nor parameters by each branch.
WARNINGS = ["-Wall", "-Wextra", "-Wshorten-64-to-32", "-Werror", "-Wno-unused-function", "-Wno-unused-parameter"]
CLANG = ["clang-15", "-cl-std=CL1.2", "--target=spir64-unknown-unknown"]

CONTROL = """kernel void control(global const float *a, global float *b)
{
    __builtin_prefetch((const void *)(ulong)a, 0, 3);
    b[get_global_id(0)] = a[get_global_id(0)];
}
"""


class Refused(Exception):
    """What a step said of a program."""


def run(step, command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        message = (done.stderr or done.stdout).strip()
        raise Refused(f"{step}: {message[:600]}")
    return done.stdout


def preprocess(path, options):
    return run("clang -E", [*CLANG, "-x", "cl", "-E", *options, str(path)])


def translate(text, stem):
    """From preprocessed text to a valid module."""
    files = {suffix: f"{stem}.{suffix}" for suffix in ("cli", "bc", "spv")}
    pathlib.Path(files["cli"]).write_text(text, encoding="utf-8")
    run("clang", [*CLANG, *WARNINGS, "-O0", "-x", "cl", "-emit-llvm", "-c", files["cli"], "-o", files["bc"]])
    run("llvm-spirv", ["llvm-spirv-15", "--spirv-max-version=1.2", files["bc"], "-o", files["spv"]])
    run("spirv-val", ["spirv-val", "--target-env", "opencl1.2", files["spv"]])


def no_builtins(text):
    """Some builtins of clang survive as instructions of LLVM, and are none of OpenCL C for all that. as_float() is one."""
    found = re.search(r"__(builtin(?!_astype\b)|has)_\w+", text)
    if found:
        raise Refused(f"it is not OpenCL C 1.2: {found.group()}")


def expect_control_fails(folder):
    path = folder / "control.cl"
    path.write_text(CONTROL, encoding="utf-8")
    text = preprocess(path, [])
    for step in (no_builtins, lambda t: translate(t, path.with_suffix(""))):
        try:
            step(text)
        except Refused:
            continue
        sys.exit("the control passed: a builtin of clang is not noticed")


def listed(folder, program, source):
    """Path and options of each program, from the file `source` alone if that is given."""
    folder.mkdir()
    subprocess.run([program, str(folder)], check=True, timeout=120, stdout=subprocess.DEVNULL)
    for path in sorted(folder.glob("*.cl")):
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        if source is None or first == f'#line 1 "cl/{source}"':
            options = path.with_suffix(".options").read_text(encoding="utf-8").split()
            yield path, [o for o in options if not o.startswith("-cl-std")]


def verify(path, options):
    """What is wrong with a program; None if nothing is."""
    try:
        text = preprocess(path, options)
        no_builtins(text)
        translate(text, path.with_suffix(""))
    except Refused as refused:
        return f"{path.read_text(encoding='utf-8').split(chr(34))[1]} {' '.join(options)}\n    {refused}"
    return None


def main():
    program, source = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = pathlib.Path(name)
        expect_control_fails(folder)
        programs = list(listed(folder / "programs", program, source))
        failures = [f for f in pool.map(lambda p: verify(*p), programs) if f]
    for failure in failures:
        print(failure)
    print(f"{len(programs)} programs, {len(failures)} failed")
    if not programs or failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
