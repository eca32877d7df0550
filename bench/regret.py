#!/usr/bin/env python3
"""What clconv's own choice of an algorithm costs: every algorithm that can do a layer is timed beside the others, round
by round, and the chosen one's time is divided by the least. bench/README.md says how to run it."""
import argparse
import json
import math
import os
import statistics
import sys

import bench
import layers
import peers


def parse_arguments():
    parser = argparse.ArgumentParser(description="Times the algorithms of clconv against its own choice.")
    parser.add_argument("--suite", default=os.path.join(bench.REPOSITORY, "bench", "networks.csv"), metavar="CSV")
    parser.add_argument("--layers", default="", metavar="REGEX", help="only layers whose 'network,layer' matches")
    parser.add_argument("--gmac", nargs=2, type=float, default=(0.02, 3), metavar=("MIN", "MAX"),
                        help="only layers of so many 1e9 multiply-adds; default 0.02 3")
    parser.add_argument("--op", choices=["forward", "backward-input", "backward-weight"], default="forward",
                        help="what is timed; default: forward")
    parser.add_argument("--algorithms", metavar="NAMES", help="by comma; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--time-per-round", type=float, default=0.1, metavar="SECONDS", help="of each algorithm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--build", default=os.path.join(bench.REPOSITORY, "build", "bench"), metavar="FOLDER")
    parser.add_argument("--json", metavar="FILE", help="writes all results, anew after each layer")
    return parser.parse_args()


def algorithm_names(arguments):
    if arguments.algorithms:
        return arguments.algorithms.split(",")
    tool = os.path.join(arguments.build, "tools", "clconv")
    lines = bench.command_output(tool, "plan", "--op", arguments.op, "--problem", "ic1id1oc1kd1",
                                 "--json").splitlines()
    return [candidate["algorithm"] for candidate in json.loads(lines[0])["candidates"]]


def measure_layer(chooser, workers, layer, arguments):
    """Milliseconds and estimates by algorithm; an algorithm far behind in the first round is not asked again."""
    chosen = chooser.ask(layer.request(arguments.op))["note"]
    times, estimates, ready = {}, {}, []
    for name, worker in workers.items():
        try:
            estimates[name] = float(worker.ask(layer.request(arguments.op))["note"])
            ready.append(name)
        except peers.WorkerFailed:
            continue
    for number in range(arguments.rounds):
        for name in ready:
            seconds = workers[name].ask(f"run {arguments.time_per_round}", arguments.time_per_round)["seconds"]
            times.setdefault(name, []).append(1e3 * statistics.median(seconds))
        if number == 0:
            best = min(rounds[0] for rounds in times.values())
            ready = [name for name in ready if name == chosen or times[name][0] <= bench.SLOW * best]
    milliseconds = {name: min(rounds) for name, rounds in times.items()}
    return {"network": layer.network, "layer": layer.name, "op": arguments.op, "kind": layer.kind(),
            "gflop": layer.gflop(), "problem": layer.numbers, "chosen": chosen, "ms": milliseconds, "estimates": estimates,
            "regret": milliseconds[chosen] / min(milliseconds.values())}


def line(result):
    best = min(result["ms"], key=result["ms"].get)
    times = ", ".join(f"{name} {result['ms'][name]:.3f} ({result['estimates'][name]:.3f})" for name in result["ms"])
    return f"{result['network']} {result['layer']}: {result['regret']:.2f}, {result['chosen']} for {best}: {times}"


def summary(results):
    mean = math.exp(statistics.fmean(math.log(result["regret"]) for result in results))
    worst = sorted(results, key=lambda result: -result["regret"])[:10]
    return "\n".join([f"{len(results)} layers, regret {mean:.3f} by geometric mean; the ten worst, milliseconds "
                      "(and estimates):", *map(line, worst)])


def main():
    arguments = parse_arguments()
    wanted = bench.choose_layers(arguments)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:arguments.threads])
    bench.build_workers(arguments.build)
    program = os.path.join(arguments.build, "bench", "worker_clconv")
    chooser = peers.Worker(peers.Peer("chosen", "clconv", [program], {}), arguments.threads)
    workers = {name: peers.Worker(peers.Peer(name, "clconv", [program, name], {}), arguments.threads)
               for name in algorithm_names(arguments)}
    results = []
    try:
        for layer in wanted:
            results.append(measure_layer(chooser, workers, layer, arguments))
            print(line(results[-1]), file=sys.stderr, flush=True)
            bench.write_json(arguments.json, results)
    finally:
        for worker in [chooser, *workers.values()]:
            worker.stop()
    print(summary(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
