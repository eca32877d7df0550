#!/usr/bin/env python3
"""Tests of what the benchmark says and of how it takes a worker that misbehaves. They need no peer and no device."""
import os
import tempfile
import unittest

import bench
import layers
import peers
import report

HERE = os.path.dirname(os.path.abspath(__file__))


def script(text, name="peer", library="Library"):
    return peers.Peer(name, library, ["/bin/sh", "-c", text], {})


def result(library, milliseconds):
    return {"library": library, "note": "", "rounds": [milliseconds], "ms": milliseconds}


def results(**arguments):
    """Two layers: clconv is twice as fast as its best peer on one, half as fast on the other."""
    first = {"clconv": result("clconv", 1.0), "a-x": result("oneDNN", 2.0), "a-y": result("oneDNN", 4.0),
             "b": result("OpenVINO", 3.0)}
    second = {"clconv": result("clconv", 6.0), "a-x": {"library": "oneDNN", "error": "refused"},
              "a-y": result("oneDNN", 9.0), "b": result("OpenVINO", 3.0)}
    kinds = ("stem", first), ("patch", second)
    values = {"date": "today", "source": "abc", "op": "forward", "rounds": 1, "missing": {}, "versions": {"clconv": "1"},
              "machine": {"cpu": "C", "threads": 2, "system": "S", "device": "D", "platform": "P"},
              "limits": [{"peak_gflops": 10.0, "copy_gbs": 2.0}, {"peak_gflops": 20.0, "copy_gbs": 1.0}],
              "layers": [{"network": "N", "layer": kind, "kind": kind, "gflop": 0.01, "peers": table}
                         for kind, table in kinds]}
    return {**values, **arguments}


class LayersTest(unittest.TestCase):
    def test_suite_has_every_class(self):
        suite = layers.read_suite(os.path.join(HERE, "suite.csv"))
        self.assertEqual({layer.kind() for layer in suite}, set(layers.KINDS))

    def test_gflop_is_that_of_the_networks_table(self):
        layer = layers.read_suite(os.path.join(HERE, "suite.csv"))[0]
        self.assertAlmostEqual(layer.gflop() / 2, 11.0981, places=4)  # C3D conv2a's gmacs in networks.csv


class WorkerTest(unittest.TestCase):
    def test_answers_after_talk(self):
        worker = peers.Worker(script("""echo hello; echo '{"ready": "1"}'; read x; echo '{"a": 2}'"""), 1)
        self.addCleanup(worker.stop)
        self.assertEqual((worker.version, worker.ask("layer")), ("1", {"a": 2}))

    def test_error_is_raised(self):
        worker = peers.Worker(script("""echo '{"ready": ""}'; read x; echo '{"error": "no  way"}'; read x"""), 1)
        self.addCleanup(worker.stop)
        with self.assertRaisesRegex(peers.WorkerFailed, "^no way$"):
            worker.ask("layer")

    def test_dead_worker_tells_its_last_words_and_is_started_again(self):
        worker = peers.Worker(script("""echo '{"ready": ""}'; read x; echo first >&2; echo last >&2; exit 3"""), 1)
        self.addCleanup(worker.stop)
        for _ in range(2):
            with self.assertRaisesRegex(peers.WorkerFailed, "^last$"):
                worker.ask("layer")

    def test_silent_worker_is_ended(self):
        worker = peers.Worker(script("""echo '{"ready": ""}'; exec sleep 60"""), 1)
        self.addCleanup(worker.stop)
        with self.assertRaisesRegex(peers.WorkerFailed, "no answer"):
            worker.read(0.05)
        self.assertIsNone(worker.process)

    def test_absent_program(self):
        with self.assertRaisesRegex(peers.WorkerFailed, "not installed"):
            peers.Worker(peers.Peer("p", "P", ["/nonexistent"], {}), 1)


class RoundsTest(unittest.TestCase):
    def start(self, name, samples, library="Library"):
        answer = '{"elements": 2, "note": "", "samples": %s}' % samples
        worker = peers.Worker(script(f"echo '{{\"ready\": \"\"}}'; read x; echo '{answer}'; read x", name, library), 1)
        self.addCleanup(worker.stop)
        return worker

    def test_peer_that_computes_something_else_is_left_out(self):
        workers = [self.start("clconv", "[1, 2]"), self.start("same", "[1.0001, 2]"), self.start("other", "[2, 1]")]
        found = {}
        ready = bench.prepare(workers, layers.read_suite(os.path.join(HERE, "suite.csv"))[0], "forward", found)
        self.assertEqual([worker.peer.name for worker in ready], ["clconv", "same"])
        self.assertIn("computes something else", found["other"]["error"])

    def test_only_slow_variants_of_the_same_library_sit_out(self):
        names = ("clconv", "clconv", 1.0), ("a", "A", 10.0), ("b", "A", 19.0), ("c", "A", 21.0), ("d", "D", 90.0)
        workers = [self.start(name, "[1]", library) for name, library, _ in names]
        found = {name: {"rounds": [ms]} for name, _, ms in names}
        left = [worker.peer.name for worker in bench.without_slow(workers, found)]
        self.assertEqual(left, ["clconv", "a", "b", "d"])


class ReportTest(unittest.TestCase):
    def test_best_peer_of_all_and_best_variant_count(self):
        first, second = report.rows(results())
        self.assertEqual((first.rival, first.best["oneDNN"], first.ratio), ("oneDNN", "a-x", 2.0))
        self.assertEqual((second.rival, second.best["oneDNN"], second.ratio), ("OpenVINO", "a-y", 0.5))

    def test_means(self):
        self.assertEqual(report.means(results()),
                         [("stem", 1, 2.0, 2.0), ("patch", 1, 0.5, 0.5), ("all layers", 2, 1.0, 0.5)])

    def test_failures_are_clconvs(self):
        self.assertEqual(report.failures(results()), [])
        broken = results()
        broken["layers"][0]["peers"]["clconv"] = {"library": "clconv", "error": "refused"}
        for name in ("a-x", "a-y", "b"):
            broken["layers"][1]["peers"][name] = {"library": "X", "error": "computes something else: 1 from clconv"}
        self.assertEqual(report.failures(broken), ["N stem", "N patch"])
        self.assertIn("refused", report.text(broken))

    def test_only_the_section_of_the_page_changes(self):
        begin, end = report.markers("forward")
        with tempfile.TemporaryDirectory() as folder:
            page = os.path.join(folder, "page.md")
            with open(page, "w", encoding="utf-8") as file:
                file.write(f"before\n{begin}\nold\n{end}\nafter\n")
            report.write_markdown(page, results())
            with open(page, encoding="utf-8") as file:
                once = file.read()
            report.write_markdown(page, results())
            with open(page, encoding="utf-8") as file:
                self.assertEqual(file.read(), once)
            self.assertTrue(once.startswith("before\n" + begin) and once.endswith(end + "\nafter\n"))
            self.assertNotIn("old", once)
            report.write_markdown(page, results(op="backward-input"))
            with open(page, encoding="utf-8") as file:
                self.assertTrue(file.read().startswith(once))
            self.assertEqual(sorted(os.listdir(folder)), ["page-backward-input.svg", "page.md", "page.svg"])


if __name__ == "__main__":
    unittest.main()
