"""clconv cache: what is kept, read again, damaged and removed. The tests' layer makes the device one whose binaries are had."""
import glob
import json

from cli import *

PLAN = ["plan", "--problem", "ic1id4oc1kd1", "--algorithm", "direct_indexed", "--verbose"]


class Cache(ToolTest):
    def setUp(self):
        super().setUp()
        self.kept = self.path("kept")
        self.environment = {"CLCONV_CACHE": None, "CLCONV_CACHE_DIR": self.kept, "LAYER_PLATFORM": "the tests' own",
                            "OPENCL_LAYERS": os.environ["CLCONV_TEST_LAYER"], "POCL_EXTRA_BUILD_FLAGS": "-cl-opt-disable"}

    def cache(self, *arguments, status=0):
        result = self.tool("cache", *arguments, environment=self.environment)
        self.assertEqual(result.returncode, status, result)
        return result.stdout

    def plan(self):
        result = self.tool(*PLAN, environment=self.environment)
        self.assertEqual(result.returncode, 0, result)
        return result.stderr

    def summary(self):
        return json.loads(self.cache("show", "--json").splitlines()[-1])

    def test_second_command_loads_what_the_first_compiled(self):
        first = self.plan()
        self.assertRegex(first, r"built cl/any/\S+.cl")
        self.assertRegex(first, r"programs: [1-9]\d* compiled, 0 loaded")
        second = self.plan()
        self.assertNotIn("built cl/", second)
        self.assertRegex(second, r"programs: 0 compiled, [1-9]\d* loaded")
        summary = self.summary()
        self.assertEqual(summary["folder"], self.kept)
        self.assertEqual(summary["entries"], summary["saved"])
        self.assertEqual(summary["loaded"], summary["saved"])
        self.assertIn("any/direct_indexed.cl", self.cache("show"))

    def test_verify_removes_what_is_damaged(self):
        self.plan()
        count = self.summary()["entries"]
        self.assertIn("%d entries are sound" % count, self.cache("verify"))
        name = sorted(glob.glob(os.path.join(self.kept, "*.program")))[0]
        with open(name, "r+b") as file:
            file.seek(200)
            byte = file.read(1)
            file.seek(200)
            file.write(bytes([byte[0] ^ 4]))
        self.assertIn("damaged, removed: " + os.path.basename(name), self.cache("verify", status=1))
        self.assertFalse(os.path.exists(name))
        self.assertIn("%d entries are sound" % (count - 1), self.cache("verify"))

    def test_clear_removes_entries_alone(self):
        self.plan()
        with open(os.path.join(self.kept, "mine.txt"), "w") as file:
            file.write("mine")
        self.assertGreater(self.summary()["entries"], 0)
        self.cache("clear")
        self.assertEqual(os.listdir(self.kept), ["mine.txt"])

    def test_off(self):
        self.environment["CLCONV_CACHE"] = "off"
        self.plan()
        self.assertFalse(os.path.exists(self.kept))
        self.assertIn("CLCONV_CACHE is off", self.summary()["off"])

    def test_wrong_use(self):
        self.refused(2, "'frobnicate' is none of show, clear, verify and fill", "cache", "frobnicate")


if __name__ == "__main__":
    unittest.main()
