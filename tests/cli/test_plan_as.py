"""Plans for devices that are not there: clconv plan --as, which needs no OpenCL."""
import json

from cli import *

FAMILIES = ["nvidia", "rdna", "gcn", "intel", "xe-hpc", "mali", "adreno", "apple", "gpu", "accelerator", "zen4", "xeon",
            "cpu-512", "cpu-256", "cpu-128"]
LAYER = "ic64id8ih28iw28oc128kd3pd1"
HEADER = "network,layer,N,Cin,D,H,W,Cout,kD,kH,kW,sD,sH,sW,pD,pH,pW,dD,dH,dW,groups\n"


class PlanAs(ToolTest):
    def setUp(self):
        super().setUp()
        self.before = os.environ.get("OCL_ICD_VENDORS")
        os.environ["OCL_ICD_VENDORS"] = os.path.join(os.sep, "nonexistent")

    def tearDown(self):
        if self.before is None:
            del os.environ["OCL_ICD_VENDORS"]
        else:
            os.environ["OCL_ICD_VENDORS"] = self.before
        super().tearDown()

    def plan(self, family, *more):
        return json.loads(self.done("plan", "--as", family, "--problem", LAYER, "--json", *more))

    def test_every_family_plans_every_op(self):
        for family in FAMILIES:
            for op in ["forward", "backward-input", "backward-weight", "backward-bias", "transposed"]:
                plan = self.plan(family, "--op", op)
                self.assertGreater(plan["estimated_ms"], 0, (family, op))
                self.assertGreater(len(plan["steps"]), 0, (family, op))

    def test_more_units_are_faster_and_change_no_tile(self):
        few, many = self.plan("nvidia:8"), self.plan("nvidia:64")
        self.assertGreater(few["estimated_ms"], 3 * many["estimated_ms"])
        self.assertEqual(few["parameters"], many["parameters"])
        self.assertEqual(self.plan("nvidia"), self.plan("nvidia:132"))

    def test_text_tells_how_the_grid_fills_the_device(self):
        text = self.done("plan", "--as", "nvidia:10", "--problem", LAYER)
        fills = re.findall(r"local (\d+) x 1 x 1, (\d+) work-groups fill (\d+)% of 10 units", text)
        self.assertGreater(len(fills), 0)
        for _, groups, percent in fills:
            turns = -(-int(groups) // 10)
            self.assertEqual(int(percent), round(100 * int(groups) / (10 * turns)))

    def test_no_launch_is_long(self):
        for family in ["intel:8", "mali:1", "nvidia:2"]:
            for problem in ["mb64ic64id32ih112iw112oc64kd3pd1", "mb16ic256id32ih56iw56oc256kd3pd1sd2", "ic64id64ih256iw256oc64kd3pd1g4"]:
                for op in ["forward", "backward-input", "backward-weight"]:
                    text = self.done("plan", "--as", family, "--problem", problem, "--op", op)
                    for step in re.findall(r"(?m)^step \d+: (.*) ms$", text):
                        launches = re.search(r"in (\d+) launches", step)
                        milliseconds = float(step.split()[-1]) / int(launches[1] if launches else 1)
                        self.assertLess(milliseconds, 25.1, (family, problem, op, step))

    def test_suite(self):
        self.write("layers.csv", (HEADER + "net,one,1,64,8,28,28,128,3,3,3,1,1,1,1,1,1,1,1,1,1\n"
                                  "net,two,2,16,4,9,9,16,1,1,1,1,1,1,0,0,0,1,1,1,1\n").encode())
        lines = [json.loads(line) for line in
                 self.done("plan", "--as", "rdna", "--suite", "layers.csv", "--json").splitlines()]
        self.assertEqual([line["layer"] for line in lines], ["one", "two"])
        self.assertEqual(lines[0]["algorithm"], self.plan("rdna")["algorithm"])
        self.assertAlmostEqual(lines[1]["gflop"], 2e-9 * 2 * 16 * 16 * 4 * 9 * 9)
        self.assertEqual(lines[1]["tensor_bytes"], 4 * (2 * 2 * 16 * 4 * 9 * 9 + 16 * 16))
        text = self.done("plan", "--as", "rdna", "--suite", "layers.csv")
        self.assertEqual(len(text.splitlines()), 2)

    def test_wrong_use(self):
        self.refused(2, "family 'voodoo' is unknown", "plan", "--as", "voodoo", "--problem", LAYER)
        for units in ["", "0", "-1", "many", "3x", "99999999999"]:
            self.refused(2, "units are", "plan", "--as", "nvidia:" + units, "--problem", LAYER)
        self.refused(2, "exclude each other", "plan", "--as", "nvidia", "--device", "0", "--problem", LAYER)
        self.refused(2, "exclude each other", "plan", "--as", "nvidia", "--suite", "x.csv", "--problem", LAYER)
        self.refused(1, "x.csv", "plan", "--as", "nvidia", "--suite", "x.csv")


if __name__ == "__main__":
    unittest.main()
