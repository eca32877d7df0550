"""check: a device that is right, and ones that crash, hang or compute a tap wrong, by the tests' own OpenCL layer. What is
said of those names the algorithm and the case."""
import json
import os
import re

from cli import *

LAYER = os.environ["CLCONV_TEST_LAYER"]
VERDICT = r"clconv \S+: (\d+) passed, (\d+) skipped, (\d+) failed on .+, driver \S.*, \S"
FIRST_CASE = r"forward by direct_indexed, ic16id4ih9iw17oc16kd3pd1, %s data: "
ONE = ["check", "--quick", "--algorithm", "direct_indexed"]


class Check(ToolTest):
    def objects(self, *arguments, status=0, **more):
        result = self.tool(*arguments, "--json", **more)
        self.assertEqual(result.returncode, status, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_json(self):
        *cases, verdict = self.objects("check", "--quick")
        speeds = [c for c in cases if c["data"] == "speed"]
        cases = [c for c in cases if c["data"] != "speed"]
        for case in cases:
            self.assertTrue(case["passed"] or case["skipped"], case)
            if case["passed"]:
                self.assertLessEqual(case["worst"], 0 if case["data"] == "integer" else 1)
            else:
                self.assertGreater(len(case["message"]), 3)
        self.assertEqual({c["data"] for c in cases}, {"integer", "random", "special"})
        done = {(c["op"], c["algorithm"]) for c in cases if c["passed"]}
        self.assertEqual({op for op, _ in done}, {"forward", "backward-input", "backward-weight", "backward-bias"})
        self.assertEqual(sorted((s["op"], s["algorithm"]) for s in speeds), sorted(done))
        for s in speeds:
            self.assertAlmostEqual(s["peak_share"] * verdict["peak_gflops"], s["gflops"], delta=1e-6 * s["gflops"])
            self.assertAlmostEqual(s["copy_share"] * verdict["copy_gbps"], s["gbps"], delta=1e-6 * s["gbps"])
        self.assertEqual(verdict["passed"], sum(c["passed"] for c in cases))
        self.assertEqual(verdict["skipped"], sum(c["skipped"] for c in cases))
        self.assertEqual((verdict["failed"], verdict["first_failure"]), (0, ""))
        self.assertRegex(verdict["verdict"], VERDICT)

    def test_table_counts_what_it_lists(self):
        result = self.tool(*ONE, "--verbose")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        counts = [sum(line.startswith(word + " ") for line in lines) for word in ["passed", "skipped", "FAILED"]]
        self.assertEqual([int(n) for n in re.match(VERDICT, lines[-1]).groups()], counts)
        rows = [line.split() for line in lines if re.match(r"(forward|backward-input) +direct_indexed ", line)]
        self.assertEqual([row[0] for row in rows], ["forward", "backward-input"])
        self.assertEqual([sum(int(row[i]) for row in rows) for i in [2, 3, 4]], counts)
        self.assertGreater(counts[0], 5)
        self.assertNotIn("passed ", self.done(*ONE).splitlines()[0])

    def failing(self, data, what, *options, **faults):
        """A run on a device with a fault: its verdict, in the last line and in the error."""
        environment = {"OPENCL_LAYERS": LAYER, **faults}
        result = self.tool(*ONE, *options, environment=environment)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        verdict = result.stdout.splitlines()[-1]
        counts = re.match(VERDICT, verdict)
        self.assertIsNotNone(counts, verdict)
        self.assertGreater(int(counts[3]), 0)
        self.assertRegex(verdict, "; first: " + FIRST_CASE % data + what)
        self.assertRegex(result.stderr, r"\Aclconv: error: check: \d+ of \d+ cases failed; the first: "
                         + FIRST_CASE % data + what + r"[^\n]*\n\Z")
        *cases, said = self.objects(*ONE, *options, status=1, environment=environment)
        self.assertEqual(said["verdict"].split("; first: ")[1], verdict.split("; first: ")[1])
        self.assertEqual([c["passed"] or c["skipped"] for c in cases if c["data"] != "speed"].count(False), said["failed"])

    def test_crash(self):
        self.failing("integer", "it ended the process: Aborted", LAYER_CRASH="direct_indexed")

    def test_hang(self):
        self.failing("integer", "it did not end within 5 s", "--time-limit", "5", LAYER_HANG="direct_indexed")

    def test_wrong_tap(self):
        self.failing("integer", "a result is not exact",
                     LAYER_REPLACE="for (long kw = 0; kw < kernel_w; kw++)=>for (long kw = 1; kw < kernel_w; kw++)")

    def test_refusals(self):
        self.refused(2, "--quick and --full exclude each other", "check", "--quick", "--full")
        self.refused(2, "--algorithm is 'fast'", "check", "--algorithm", "fast")
        self.refused(1, "matches no OpenCL device", "check", "--device", "no such device")


if __name__ == "__main__":
    unittest.main()
