"""--parameters of run, plan and bench, and the times of steps."""
import json

from cli import *

PROBLEM = ["--problem", "ic4id5ih6iw9oc8kd3pd1"]
INDEXED = ["--algorithm", "direct_indexed"]


class Parameters(ToolTest):
    def parameters(self, *arguments):
        said = json.loads(self.done(*arguments, "--json"))["parameters"]
        return dict(pair.split("=") for pair in said.split(","))

    def test_plan_and_bench_take_what_is_given_and_leave_the_rest(self):
        usual = self.parameters("plan", *PROBLEM, *INDEXED)
        other = {"out_channels": str(int(usual["out_channels"]) % 4 + 1)}
        given = ["--parameters", "out_channels=" + other["out_channels"]]
        self.assertEqual(self.parameters("plan", *PROBLEM, *INDEXED, *given), {**usual, **other})
        self.assertEqual(self.parameters("bench", *PROBLEM, *INDEXED, *given, "--runs", "1"), {**usual, **other})

    def test_run_computes_the_same(self):
        self.save("x.npy", self.normal(1, 4, 5, 6, 9))
        self.save("w.npy", self.normal(8, 4, 3, 3, 3))
        run = ["run", "--input", "x.npy", "--weight", "w.npy", "--padding", "1", *INDEXED, "--output", "y.npy"]
        exact, scale = conv3d(self.load("x.npy"), self.load("w.npy"), pad=((1, 1),) * 3)
        for out_channels in ["1", "3"]:
            self.done(*run, "--parameters", "out_channels=%s,vector_width=4" % out_channels)
            self.assertLessEqual(worst_share(self.load("y.npy"), exact, scale, 4 * 27), 1)

    def test_refusals(self):
        self.save("x.npy", self.normal(1, 1, 3, 3, 3))
        commands = [["plan", *PROBLEM], ["run", "--input", "x.npy", "--weight", "x.npy", "--output", "y.npy"]]
        for command in commands:
            self.refused(2, "must be named", *command, "--parameters", "out_channels=2")
            for text, message in {"speed=2": "no parameter 'speed'", "out_channels=0": "must be", "out_channels": "integer",
                                  "out_channels=1,out_channels=1": "twice", "vector_width=3": "power of two"}.items():
                self.refused(2, message, *command, *INDEXED, "--parameters", text)
        self.refused(2, "--parameters is empty", "bench", *PROBLEM, "--parameters", "")


class Steps(ToolTest):
    def test_each_step_has_a_time(self):
        command = [*PROBLEM, "--algorithm", "direct"]
        bench = json.loads(self.done("bench", *command, "--runs", "3", "--steps", "--json"))
        self.assertGreaterEqual(len(bench["steps"]), 2)
        for step in bench["steps"]:
            self.assertGreater(step["ms"], 0)
        self.assertGreaterEqual(sum(step["gflop"] for step in bench["steps"]), 0.999 * bench["gflop"])
        text = self.done("bench", *command, "--runs", "3", "--steps")
        for step in bench["steps"]:
            self.assertRegex(text, r"step %s +[\d.]+ ms" % re.escape(step["name"]))
        self.assertNotIn("steps", json.loads(self.done("bench", *command, "--runs", "3", "--json")))


if __name__ == "__main__":
    unittest.main()
