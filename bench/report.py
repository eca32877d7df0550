"""What the results of bench.py say: a table for the terminal, and the section of docs/performance.md between its
markers, with a chart beside the page. Everything is computed from the results alone, which --json keeps."""
import math
import os

import chart
from layers import KINDS

LIBRARIES = ["clconv", "oneDNN", "ONNX Runtime", "OpenVINO", "PyTorch"]
LIBRARIES_OF_GRADIENTS = LIBRARIES[:2]


class Row:
    """A layer's figures: the best variant of each library, and the best peer of all."""

    def __init__(self, layer):
        self.title, self.kind = f"{layer['network']} {layer['layer']}", layer["kind"]
        self.gflop, self.peers = layer["gflop"], layer["peers"]
        self.best = {}  # library: name of its fastest peer
        for name, peer in self.peers.items():
            library = peer["library"]
            if "ms" in peer and (library not in self.best or peer["ms"] < self.ms(library)):
                self.best[library] = name
        rivals = [library for library in self.best if library != "clconv"]
        self.rival = min(rivals, key=self.ms) if rivals else None
        self.ratio = self.ms(self.rival) / self.ms("clconv") if self.rival and "clconv" in self.best else None

    def ms(self, library):
        return self.peers[self.best[library]]["ms"]

    def gflops(self, library):
        return 1e3 * self.gflop / self.ms(library) if library in self.best else None

    def failure(self):
        """Why there is no figure of clconv's, or why nobody can believe it."""
        errors = {name: peer["error"] for name, peer in self.peers.items() if "error" in peer}
        if "clconv" in errors:
            return errors["clconv"]
        others = len(self.peers) - 1
        if others and sum("computes something else" in error for error in errors.values()) == others:
            return "no peer computes the same"
        return None


def rows(results):
    return [Row(layer) for layer in results["layers"]]


def failures(results):
    return [row.title for row in rows(results) if row.failure()]


def limit(results, name):
    """The highest of the measurements before and after the layers."""
    return max(measured[name] for measured in results["limits"])


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def means(results):
    """(class, number of layers, geometric mean, least) of the ratios, all layers last."""
    table = rows(results)
    groups = [(kind, [row.ratio for row in table if row.kind == kind and row.ratio]) for kind in KINDS]
    groups.append(("all layers", [row.ratio for row in table if row.ratio]))
    return [(kind, len(ratios), geometric_mean(ratios), min(ratios)) for kind, ratios in groups if ratios]


def number(value, digits=0):
    return "–" if value is None else f"{value:.{digits}f}"


def progress(layer):
    row = Row(layer)
    figures = ", ".join(f"{row.best[library]} {row.ms(library):.3f}" for library in LIBRARIES if library in row.best)
    errors = "".join(f"\n  {name}: {peer['error']}" for name, peer in row.peers.items() if "error" in peer)
    return f"{row.title}: {number(row.ratio, 2)} ({figures} ms){errors}"


def libraries(results):
    return LIBRARIES if results["op"] == "forward" else LIBRARIES_OF_GRADIENTS


def main_table(results):
    """Header and rows of text."""
    peak = limit(results, "peak_gflops")
    header = ["layer", "GFLOP", "algorithm", "ms", *libraries(results), "of the peak", "ratio"]
    table = []
    for row in rows(results):
        mine = row.gflops("clconv")
        table.append([row.title, f"{row.gflop:.3g}", row.peers["clconv"].get("note") or "failed",
                      number(row.ms("clconv") if mine else None, 3),
                      *(number(row.gflops(library)) for library in libraries(results)),
                      number(100 * mine / peak if mine else None) + " %", number(row.ratio, 2)])
    return header, table


def means_table(results):
    return (["class", "layers", "geometric mean", "least"],
            [[kind, str(count), f"{mean:.2f}", f"{least:.2f}"] for kind, count, mean, least in means(results)])


def plain_table(header, table):
    widths = [max(len(line[i]) for line in [header, *table]) for i in range(len(header))]
    return "\n".join("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in
                               enumerate(zip(line, widths))).rstrip() for line in [header, *table])


def markdown_table(header, table):
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *table]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def limits_text(results):
    return (f"{limit(results, 'peak_gflops'):.0f} GFLOP/s of multiply-adds, "
            f"{limit(results, 'copy_gbs'):.1f} GB/s of copying (read plus written)")


def left_out(results):
    """A line for every peer that is absent, and for every reason why some failed on a layer."""
    lines = [f"{name}: {reason}" for name, reason in results["missing"].items()]
    for row in rows(results):
        reasons = {}
        for name, peer in row.peers.items():
            if "error" in peer:
                reasons.setdefault(peer["error"], []).append(name)
        lines += [f"{', '.join(names)} on {row.title}: {reason}" for reason, names in reasons.items()]
    return lines


def text(results):
    machine = results["machine"]
    parts = [f"{machine['cpu']}, {machine['threads']} threads: {limits_text(results)}",
             plain_table(*main_table(results)), plain_table(*means_table(results))]
    if left_out(results):
        parts.append("Left out:\n" + "\n".join("  " + line for line in left_out(results)))
    return "\n\n".join(parts)


def version_text(results):
    """Variants of one build are named once."""
    builds = {}
    for name, version in results["versions"].items():
        builds.setdefault(name.split("-")[0], version)
    return ", ".join(f"{name} {version}" for name, version in builds.items())


def section(results, chart_name):
    machine = results["machine"]
    parts = [
        f"Measured on {results['date']} at {results['source']} by `bench/bench.py --op {results['op']} --markdown`: "
        f"{machine['cpu']}, "
        f"{machine['threads']} threads, {machine['system']}; clconv on `{machine['device']}` "
        f"({machine['platform']}). The machine at that time: {limits_text(results)}.",
        f"fp32, {results['op']}, NCDHW in and out, padding and changes of layout timed, weights packed beforehand by "
        f"all, no tuning. Columns of libraries are GFLOP/s of the dense definition; {results['rounds']} rounds in turn, the "
        f"median of each. The ratio is the best peer's time by clconv's. `bench/README.md` has the rules.",
        f"![GFLOP/s of clconv and its peers, layer by layer]({chart_name})",
        markdown_table(*main_table(results)), markdown_table(*means_table(results)),
        f"Versions: {version_text(results)}."]
    if left_out(results):
        parts.append("Left out:\n\n" + "\n".join("- " + line.replace("|", "\\|") for line in left_out(results)))
    return "\n\n".join(parts)


def markers(op):
    return f"<!-- bench:{op}:begin -->", f"<!-- bench:{op}:end -->"


def write_file(path, content):
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(content)
    os.replace(path + ".tmp", path)


def write_markdown(path, results):
    """Replaces what is between the op's markers; a page without them, or no page, gets them at its end."""
    begin, end = markers(results["op"])
    page = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            page = file.read()
    if begin not in page or end not in page:
        page = (page.rstrip("\n") + "\n\n" if page else "") + f"{begin}\n{end}\n"
    before, rest = page.split(begin, 1)
    after = rest.split(end, 1)[1]
    suffix = "" if results["op"] == "forward" else "-" + results["op"]
    chart_path = os.path.splitext(path)[0] + suffix + ".svg"
    content = section(results, os.path.basename(chart_path))
    bars = [(row.title, {library: row.gflops(library) for library in libraries(results)}) for row in rows(results)]
    write_file(chart_path, chart.bars(bars, libraries(results), limit(results, "peak_gflops")))
    write_file(path, f"{before}{begin}\n\n{content}\n\n{end}{after}")
