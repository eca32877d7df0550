#!/usr/bin/env python3
"""Times clconv and its peers side by side: bench/README.md says how and by what rules.

Every library is a worker process of its own (peers.py) that stays alive; layer by layer they are asked in turn, round
by round, so that no two run at the same time and a change of the machine's speed meets all of them."""
import argparse
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import time

import layers
import peers
import report

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOLERANCE = 1e-3  # of the largest value: whether a peer computes the same convolution, not how well
SLOW = 2.0  # a variant this much slower than its library's best after a round is not asked again


def parse_arguments():
    parser = argparse.ArgumentParser(description="Times clconv and its peers side by side.")
    parser.add_argument("--suite", default=os.path.join(REPOSITORY, "bench", "suite.csv"), metavar="CSV")
    parser.add_argument("--layers", default="", metavar="REGEX", help="only layers whose 'network,layer' matches")
    parser.add_argument("--gmac", nargs=2, type=float, default=(0, math.inf), metavar=("MIN", "MAX"),
                        help="only layers of so many 1e9 multiply-adds")
    parser.add_argument("--peers", metavar="NAMES", help="only peers whose names start with one of these, by comma")
    parser.add_argument("--op", choices=["forward", "backward-input", "backward-weight"], default="forward",
                        help="gradients are compared with oneDNN alone")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--time-per-round", type=float, default=0.5, metavar="SECONDS", help="of each peer")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--build", default=os.path.join(REPOSITORY, "build", "bench"), metavar="FOLDER",
                        help="where the workers are built; default build/bench")
    parser.add_argument("--json", metavar="FILE", help="writes all results, anew after each layer")
    parser.add_argument("--report", metavar="FILE", help="measures nothing: takes the results of an earlier --json")
    parser.add_argument("--markdown", nargs="?", const=os.path.join(REPOSITORY, "docs", "performance.md"),
                        metavar="FILE", help="writes table and chart into docs/performance.md, or FILE")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.threads < 1 or arguments.time_per_round < 0:
        parser.error("--rounds and --threads are at least 1, --time-per-round at least 0")
    if arguments.threads > len(os.sched_getaffinity(0)):
        parser.error(f"--threads is {arguments.threads}; this process has {len(os.sched_getaffinity(0))} CPUs")
    return arguments


def choose_layers(arguments):
    """Each geometry once."""
    low, high = arguments.gmac
    chosen = {}
    try:
        suite = layers.read_suite(arguments.suite)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"bench: error: {arguments.suite}: {error}")
    for layer in suite:
        if re.search(arguments.layers, f"{layer.network},{layer.name}") and low <= layer.gflop() / 2 <= high:
            chosen.setdefault(tuple(layer.numbers), layer)
    if not chosen:
        sys.exit(f"bench: error: --layers and --gmac leave no layer of {arguments.suite}")
    return list(chosen.values())


def command_output(*command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"bench: error: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def build_workers(folder):
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DCLCONV_BENCH=ON", "-DCLCONV_TESTS=OFF", "-DCLCONV_INSTALL=OFF"]
    for command in (["cmake", "-S", REPOSITORY, "-B", folder, "-G", "Ninja", *options], ["cmake", "--build", folder]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            sys.exit(f"bench: error: the workers do not build\n{done.stdout}")


def start_workers(arguments):
    """Of the chosen peers, and why the others are not there."""
    chosen = tuple(arguments.peers.split(",")) if arguments.peers else ("",)
    workers, missing = [], {}
    for peer in peers.all_peers(REPOSITORY, arguments.build, arguments.threads):
        if peer.name != "clconv" and not peer.name.startswith(chosen):
            continue
        if arguments.op != "forward" and not peer.name.startswith(peers.GRADIENT_PEERS):
            continue
        try:
            workers.append(peers.Worker(peer, arguments.threads))
        except peers.WorkerFailed as error:
            if peer.name == "clconv":
                sys.exit(f"bench: error: clconv: {error}")
            missing[peer.name] = str(error)
            print(f"left out: {peer.name}: {error}", file=sys.stderr)
    return workers, missing


def describe_machine(arguments):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = re.findall(r"model name\s*:\s*(.*)", file.read())
    tool = os.path.join(arguments.build, "tools", "clconv")
    devices = [json.loads(line) for line in command_output(tool, "devices", "--json").splitlines()]
    chosen = next(device for device in devices if device["chosen"])
    return {"cpu": models[0] if models else platform.processor(), "threads": arguments.threads,
            "system": f"{platform.system()} {platform.release()}", "device": chosen["name"],
            "platform": chosen["platform_version"]}


def describe_source():
    return command_output("git", "-C", REPOSITORY, "describe", "--always", "--dirty").strip()


def measure_limits(arguments):
    """What the machine can do just now: multiply-adds in GFLOP/s, copying in GB/s."""
    environment = {**os.environ, **peers.common_environment(arguments.threads)}
    tool = os.path.join(arguments.build, "tools", "clconv")
    line = command_output(tool, "bench", "--problem", "ic1id1oc1kd1", "--runs", "1", "--json", environment=environment)
    copy = command_output(os.path.join(arguments.build, "bench", "copy_bandwidth"), str(arguments.threads))
    return {"peak_gflops": json.loads(line)["peak_gflops"], "copy_gbs": float(copy)}


def difference(samples, expected):
    """Largest, as a share of the largest value."""
    largest = max(abs(value) for value in expected)
    return max(abs(a - b) for a, b in zip(samples, expected)) / largest if largest else math.inf


def prepare(workers, layer, op, results):
    """Gives the layer to every worker; those that compute it are returned."""
    ready, expected = [], None
    for worker in workers:
        result = results[worker.peer.name] = {"library": worker.peer.library}
        try:
            answer = worker.ask(layer.request(op))
            if worker.peer.name == "clconv":
                expected = answer
            error = difference(answer["samples"], expected["samples"]) if expected else 0
            if expected and (answer["elements"] != expected["elements"] or error > TOLERANCE):
                raise peers.WorkerFailed(f"computes something else: {error:.1e} from clconv")
            result.update(note=answer["note"], rounds=[])
            ready.append(worker)
        except peers.WorkerFailed as error:
            result["error"] = str(error)
    return ready


def run_round(workers, results, seconds):
    """One turn of each; those that failed are not returned."""
    ready = []
    for worker in workers:
        result = results[worker.peer.name]
        try:
            times = worker.ask(f"run {seconds}", seconds)["seconds"]
            result["rounds"].append(1e3 * statistics.median(times))
            ready.append(worker)
        except peers.WorkerFailed as error:
            result["error"] = str(error)
    return ready


def without_slow(workers, results):
    best = {}
    for worker in workers:
        library, milliseconds = worker.peer.library, results[worker.peer.name]["rounds"][0]
        best[library] = min(milliseconds, best.get(library, milliseconds))
    return [w for w in workers if results[w.peer.name]["rounds"][0] <= SLOW * best[w.peer.library]]


def measure_layer(workers, layer, arguments):
    results = {}
    ready = prepare(workers, layer, arguments.op, results)
    for number in range(arguments.rounds):
        ready = run_round(ready, results, arguments.time_per_round)
        if number == 0:
            ready = without_slow(ready, results)
        ready = ready[1:] + ready[:1]  # none runs always after the same one
    for result in results.values():
        if "error" not in result:
            result["ms"] = statistics.median(result["rounds"])
    return {"network": layer.network, "layer": layer.name, "kind": layer.kind(), "gflop": layer.gflop(),
            "peers": results}


def write_json(path, results):
    if path:
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
        os.replace(path + ".tmp", path)


def measure(arguments):
    wanted = choose_layers(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:arguments.threads])
    build_workers(arguments.build)
    workers, missing = start_workers(arguments)
    results = {"date": time.strftime("%Y-%m-%d"), "source": describe_source(), "op": arguments.op,
               "rounds": arguments.rounds, "time_per_round": arguments.time_per_round,
               "machine": describe_machine(arguments), "missing": missing,
               "versions": {worker.peer.name: worker.version for worker in workers},
               "limits": [measure_limits(arguments)], "layers": []}
    try:
        for layer in wanted:
            results["layers"].append(measure_layer(workers, layer, arguments))
            print(report.progress(results["layers"][-1]), file=sys.stderr, flush=True)
            write_json(arguments.json, results)
        results["limits"].append(measure_limits(arguments))
        write_json(arguments.json, results)
    finally:
        for worker in workers:
            worker.stop()
    return results


def main():
    arguments = parse_arguments()
    if arguments.report:
        with open(arguments.report, encoding="utf-8") as file:
            results = json.load(file)
    else:
        results = measure(arguments)
    print(report.text(results))
    if arguments.markdown:
        report.write_markdown(arguments.markdown, results)
    return 1 if report.failures(results) else 0


if __name__ == "__main__":
    sys.exit(main())
