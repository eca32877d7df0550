"""devices, plan, bench and init: what they print for programs, and that the figures agree with each other."""
import json
import math

from cli import *


class Reports(ToolTest):
    def objects(self, *arguments, **more):
        return [json.loads(line) for line in self.done(*arguments, "--json", **more).splitlines()]


class Devices(Reports):
    def test_one_is_chosen_and_its_selector_chooses_it(self):
        devices = self.objects("devices")
        self.assertEqual(sum(d["chosen"] for d in devices), 1)
        for device in devices:
            self.assertRegex(device["selector"], r"\A\d+:\d+\Z")
            self.check_picks(device["selector"], device["selector"])

    def check_picks(self, selector, expected, **more):
        for again in [self.objects("devices", "--device", selector, **more),
                      self.objects("devices", environment={"CLCONV_DEVICE": selector, **more.get("environment", {})})]:
            self.assertEqual([d["selector"] for d in again if d["chosen"]], [expected], selector)

    def test_what_the_table_shows_picks_each_of_two(self):
        """Both devices have digits in their names, such as those of a processor's model."""
        two = {"POCL_DEVICES": "basic pthread"}
        table = self.done("devices", environment=two)
        rows = re.findall(r"(?m)^[* ] (\d+)  (\d+:\d+) +\S", table)
        if len(rows) < 2:
            self.skipTest("no second device")
        self.assertEqual([number for number, _ in rows], [str(i) for i in range(len(rows))])
        self.assertEqual([d["number"] for d in self.objects("devices", environment=two)], list(range(len(rows))))
        for number, selector in rows:
            self.check_picks(number, selector, environment=two)
            self.check_picks(selector, selector, environment=two)

    def test_facts(self):
        for device in self.objects("devices"):
            self.assertIn(device["type"], ["cpu", "gpu", "accelerator", "other"])
            self.assertGreater(device["compute_units"], 0)
            self.assertGreaterEqual(device["global_memory_bytes"], device["max_allocation_bytes"])
            self.assertIsInstance(device["fp64"], bool)

    def test_table_marks_the_chosen_one(self):
        text = self.done("devices")
        chosen = [d for d in self.objects("devices") if d["chosen"]][0]
        self.assertRegex(text, r"(?m)^\* %d  %s +%s$" % (chosen["number"], chosen["selector"], re.escape(chosen["name"])))

    def test_list_comes_before_the_error(self):
        result = self.tool("devices", "--device", "no such device")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"(?m)^  0  0:0 ")
        self.assertNotIn("\n* ", "\n" + result.stdout)
        self.assertRegex(result.stderr, r"\Aclconv: error: [^\n]*no such device[^\n]*\n\Z")


class Plan(Reports):
    shapes = ["--input-shape", "2,4,5,6,7", "--weight-shape", "6,2,3,2,1", "--groups", "2", "--stride", "1,2,3"]

    def test_json(self):
        (plan,) = self.objects("plan", *self.shapes, "--bias")
        self.assertEqual(plan["op"], "forward")
        self.assertEqual(plan["output_shape"], [2, 6, 3, 3, 3])
        self.assertAlmostEqual(plan["gflop"], 2e-9 * 2 * 6 * 27 * (2 * 3 * 2 * 1), delta=1e-12)
        names = [c["algorithm"] for c in plan["candidates"]]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn(plan["algorithm"], names)
        for candidate in plan["candidates"]:
            if candidate["rejection"] is None:
                self.assertGreater(candidate["estimated_ms"], 0)
            else:
                self.assertGreater(len(candidate["rejection"]), 3)
        self.assertGreaterEqual(len(plan["steps"]), 1)
        for step in plan["steps"]:
            self.assertTrue(all(l == 0 or g % l == 0 for g, l in zip(step["global"], step["local"])), step)

    def test_problem_text_is_the_same_problem(self):
        (a,) = self.objects("plan", *self.shapes)
        (b,) = self.objects("plan", "--problem", "g2mb2ic4id5ih6iw7oc6kd3kh2kw1sd1sh2sw3")
        self.assertEqual(a, b)
        (c,) = self.objects("plan", "--problem", a["problem"])
        self.assertEqual(a, c)

    def test_named_algorithm_and_limit(self):
        for name in ["direct", "direct_indexed"]:
            (plan,) = self.objects("plan", *self.shapes, "--algorithm", name)
            self.assertEqual(plan["algorithm"], name)
        (plan,) = self.objects("plan", *self.shapes, "--workspace-limit", "0")
        self.assertEqual(plan["workspace_bytes"], 0)

    def test_text_names_algorithm_and_rejections(self):
        text = self.done("plan", *self.shapes, "--workspace-limit", "0")
        (plan,) = self.objects("plan", *self.shapes, "--workspace-limit", "0")
        self.assertIn(plan["algorithm"], text)
        for candidate in plan["candidates"]:
            self.assertIn(candidate["algorithm"], text)
            if candidate["rejection"]:
                self.assertIn(candidate["rejection"], text)

    def test_kernels_that_do_not_build(self):
        """The next algorithm is taken and the reason named; who names the algorithm gets it as the error."""
        shapes = ["--problem", "ic6id6ih7iw18oc8kd3pd1"]
        (best,) = self.objects("plan", *shapes)
        shutil.copytree(os.path.join(SOURCE_DIR, "cl"), self.path("cl"))
        sources = [room + best["algorithm"] + ".cl" for room in ("any/", "cpu/", "gpu/")]
        sources = [source for source in sources if os.path.exists(self.path("cl/" + source))]
        if not sources:
            self.skipTest("the best algorithm, %s, has no file of its own" % best["algorithm"])
        source = sources[0]
        self.write("cl/" + source, b"kernel void broken( error\n")
        broken = {"CLCONV_KERNEL_DIR": self.path("cl")}
        reason = "cl/%s did not build" % source
        result = self.tool("plan", *shapes, environment=broken)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"(?m)^candidate %s: rejected: %s" % (best["algorithm"], re.escape(reason)))
        self.assertNotIn("algorithm: %s\n" % best["algorithm"], result.stdout)
        result = self.tool("plan", *shapes, "--json", environment=broken)
        (rejected,) = [c for c in json.loads(result.stdout)["candidates"] if c["algorithm"] == best["algorithm"]]
        self.assertIn(reason, rejected["rejection"])
        result = self.tool("plan", *shapes, "--algorithm", best["algorithm"], environment=broken)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn(reason, result.stderr)


class Bench(Reports):
    columns = "layer,network,N,Cin,D,H,W,Cout,kD,kH,kW,sD,sH,sW,pD,pH,pW,dD,dH,dW,groups,note,transposed"
    rows = ['one,net,1,4,5,6,7,8,3,3,3,1,1,1,1,1,1,1,1,1,1,x,0',
            '"two, ""quoted""",net,2,4,5,6,7,4,1,1,1,2,2,2,0,0,0,1,1,1,2,,0',
            'back,net,1,4,5,6,7,8,3,3,3,1,1,1,1,1,1,1,1,1,1,x,1']
    fields = {"network", "layer", "op", "algorithm", "plan_ms", "first_call_ms", "median_ms", "min_ms", "runs", "gflop",
              "gflops", "peak_share", "peak_gflops", "workspace_bytes"}

    def suite(self, *rows):
        return self.write("s.csv", "\r\n".join([self.columns, *rows, ""]).encode())

    def test_json_of_a_suite(self):
        layers = self.objects("bench", "--suite", self.suite(*self.rows), "--runs", "3")
        self.assertEqual([l["layer"] for l in layers], ["one", 'two, "quoted"'])
        flops = [2 * 8 * 5 * 6 * 7 * 4 * 27, 2 * 2 * 4 * (3 * 3 * 4) * 2]
        for layer, flop in zip(layers, flops):
            self.assertLessEqual(self.fields, set(layer))
            self.assertEqual((layer["network"], layer["op"], layer["runs"]), ("net", "forward", 3))
            self.assertAlmostEqual(layer["gflop"] * 1e9, flop, delta=1)
            self.assertLessEqual(layer["min_ms"], layer["median_ms"])
            self.assertTrue(math.isclose(layer["gflops"], layer["gflop"] / layer["median_ms"] * 1e3, rel_tol=1e-9))
            self.assertTrue(math.isclose(layer["peak_share"], layer["gflops"] / layer["peak_gflops"], rel_tol=1e-9))

    def test_a_layer_that_fails_leaves_the_rest(self):
        illegal = "wrong,net,1,4,5,6,7,8,3,3,3,0,1,1,1,1,1,1,1,1,1,x,0"
        result = self.tool("bench", "--suite", self.suite(illegal, self.rows[0]), "--runs", "1", "--json")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "clconv: error: bench: 1 of 2 layers failed\n")
        wrong, right = map(json.loads, result.stdout.splitlines())
        self.assertEqual(set(wrong), {"network", "layer", "op", "error"})
        self.assertIn("stride", wrong["error"])
        self.assertEqual(right["layer"], "one")
        result = self.tool("bench", "--suite", "s.csv", "--runs", "1")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"(?m)^net +wrong +error: .*stride")
        self.assertRegex(result.stdout, r"(?m)^net +one +\w+ .* ms ")

    def test_problem_unpacked_time_and_table(self):
        problem = "ic4id5ih6iw7oc8kd3pd1"
        (layer,) = self.objects("bench", "--problem", problem, "--unpacked", "--time", "0.01", "--algorithm", "direct")
        self.assertEqual((layer["layer"], layer["algorithm"]), (problem, "direct"))
        self.assertGreaterEqual(layer["runs"], 3)
        lines = self.done("bench", "--problem", problem, "--runs", "2").splitlines()
        self.assertRegex(lines[1], r"network +layer +algorithm +plan +first +median +min +runs +GFLOP +GFLOP/s +peak")
        self.assertEqual(len(lines[1]), len(lines[2]))

    def test_every_algorithm_times_packed_weights(self):
        problem = ["--problem", "ic4id5ih6iw7oc8kd3pd1", "--runs", "1"]
        for algorithm in ["direct", "direct_indexed", "im2col_gemm"]:
            (layer,) = self.objects("bench", *problem, "--algorithm", algorithm)
            self.assertEqual(layer["algorithm"], algorithm)


class Initial(Reports):
    def test_shape_range_and_seed(self):
        shape = (8, 2, 3, 1, 5)
        bound = np.float32(1 / math.sqrt(2 * 3 * 1 * 5))
        arguments = ["init", "--weight-shape", "8,2,3,1,5", "--groups", "4", "--weight", "w.npy", "--bias", "b.npy"]
        self.done(*arguments, "--seed", "7")
        w, b = self.load("w.npy"), self.load("b.npy")
        self.assertEqual((w.dtype, w.shape, b.dtype, b.shape), (np.float32, shape, np.float32, (8,)))
        self.assertLessEqual(abs(w).max(), bound)
        self.assertGreater(abs(w).max(), bound * 0.9)
        self.assertLess(abs(w.mean()), bound * 0.2)
        first = self.snapshot()
        self.done(*arguments, "--seed", "7")
        self.assertEqual(self.snapshot(), first)
        self.done(*arguments, "--seed", "8")
        self.assertNotEqual(self.read("w.npy"), first["w.npy"])

    def test_known_bits(self):
        """torch.manual_seed(0); torch.nn.Conv3d(2, 2, 2).weight.flatten()[:4], and the bias."""
        self.done("init", "--weight-shape", "2,2,2,2,2", "--weight", "w.npy", "--bias", "b.npy")
        self.assertEqual([f.hex() for f in self.load("w.npy").ravel()[:4].tolist()], KNOWN_WEIGHT)
        self.assertEqual([f.hex() for f in self.load("b.npy").tolist()], KNOWN_BIAS)


KNOWN_WEIGHT = ["-0x1.eaa8000000000p-10", "0x1.12a8bc0000000p-3", "-0x1.a5662c0000000p-3", "-0x1.78cd000000000p-3"]
KNOWN_BIAS = ["-0x1.4bde340000000p-3", "-0x1.d761800000000p-4"]

if __name__ == "__main__":
    unittest.main()
