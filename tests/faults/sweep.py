"""Runs the sweep of faults, and holds the call sites that it failed against all that the program has: the calls of wrapped
functions in its machine code, which the compiler made from the sources. Sites that no use of the API reaches stand in
unreached.txt, by function.
    sweep.py PROGRAM UNREACHED [all] [--write]"""
import collections
import re
import subprocess
import sys


def sites_of(program):
    """{where a call returns to: (caller, function)}"""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", program], check=True, capture_output=True, text=True).stdout
    sites, caller, called = {}, None, None
    for line in text.splitlines():
        if start := re.match(r"[0-9a-f]+ <(.*)>:", line):
            caller, called = start[1], None
        elif instruction := re.match(r" *([0-9a-f]+):\t(.*)", line):
            if called:
                sites[int(instruction[1], 16)] = (caller, called)
            call = re.match(r"call.*<__wrap_(\w+)>", instruction[2])
            called = call and call[1]
    never_fail = re.compile(r"clRelease|free$")
    own = re.compile(r"main$|sweep|try_call|open_state")
    return {at: site for at, site in sites.items() if not never_fail.match(site[1]) and not own.match(site[0])}


def lines_of(path):
    with open(path) as file:
        return {line.strip() for line in file if line.strip() and not line.startswith("#")}


def main():
    program, unreached_path, *more = sys.argv[1:]
    run = subprocess.run([program, "all" if "all" in more else "sites"], capture_output=True, text=True)
    failed = {int(at, 16) for at in re.findall(r"^site \w+ ([0-9a-f]+)$", run.stdout, re.M)}
    print("\n".join(line for line in run.stdout.splitlines() if not line.startswith("site")), run.stderr)
    sites = sites_of(program)
    unreached = collections.Counter(" ".join(site) for at, site in sites.items() if at not in failed)
    print(f"{len(sites)} call sites, {len(failed & set(sites))} failed, {sum(unreached.values())} not reached")
    if "--write" in more:
        print("\n".join(sorted(unreached)))
        return 0
    new = sorted(set(unreached) - lines_of(unreached_path))
    if new:
        print("not reached and not in unreached.txt:", *new, sep="\n  ")
    return 1 if run.returncode or new or not failed else 0


if __name__ == "__main__":
    sys.exit(main())
