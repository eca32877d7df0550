"""clconv compile: bundles and sources. The tests' layer makes the device one whose binaries are had, and one without compiler."""
import json

from cli import *

PROBLEM = "ic1id4oc1kd1"


class Compile(ToolTest):
    def setUp(self):
        super().setUp()
        self.with_compiler = {"LAYER_PLATFORM": "the tests' own", "OPENCL_LAYERS": os.environ["CLCONV_TEST_LAYER"],
                              "POCL_EXTRA_BUILD_FLAGS": "-cl-opt-disable"}
        self.without = {**self.with_compiler, "LAYER_COMPILER": "0"}

    def compile(self, *arguments, environment=None):
        return self.done("compile", "--problem", PROBLEM, "--algorithm", "direct_indexed", *arguments,
                         environment=environment or self.with_compiler)

    def convolve(self, environment):
        x, w = self.save("x.npy", self.normal(1, 1, 4, 4, 4)), self.save("w.npy", np.full((1, 1, 1, 1, 1), 2, "<f4"))
        result = self.tool("run", "--input", x, "--weight", w, "--output", "y.npy", environment=environment)
        if result.returncode == 0:
            np.testing.assert_array_equal(self.load("y.npy"), 2 * self.load("x.npy"))
        return result

    def test_a_bundle_is_all_that_a_device_without_compiler_has(self):
        self.compile("--output", "programs")
        result = self.convolve({**self.without, "CLCONV_BUNDLE": self.path("programs")})
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        result = self.convolve(self.without)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "no OpenCL device has a compiler")
        result = self.convolve({**self.without, "CLCONV_DEVICE": "0"})
        self.assertRegex(result.stderr, r"no bundle is given that has cl/\S+ .*clconv compile --problem mb1ic1id4")

    def test_layers_are_timed_without_a_compiler(self):
        self.compile("--output", "programs")
        here = {**self.without, "CLCONV_BUNDLE": self.path("programs")}
        line = json.loads(self.done("bench", "--problem", PROBLEM, "--runs", "1", "--json", environment=here))
        self.assertEqual((line["algorithm"], line["peak_gflops"], line["peak_share"]), ("direct_indexed", 0, 0))
        self.assertIn("not known", self.done("bench", "--problem", PROBLEM, "--runs", "1", environment=here))

    def test_damaged(self):
        self.compile("--output", "programs")
        data = self.read("programs")
        self.write("programs", data[:200] + bytes([data[200] ^ 1]) + data[201:])
        here = {"CLCONV_BUNDLE": self.path("programs"), "CLCONV_DEVICE": "0"}
        result = self.convolve({**self.without, **here})
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "the bundle '.*programs' cannot be used: it is damaged")
        result = self.convolve({**self.with_compiler, **here})
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stderr, "clconv: warning: the bundle '.*programs' cannot be used: it is damaged")

    def test_sources_need_no_compiler(self):
        self.compile("--emit-source", "sources", environment={**self.without, "CLCONV_DEVICE": "0"})
        names = sorted(os.listdir(self.path("sources")))
        manifest = self.read("sources/manifest").decode()
        self.assertTrue(manifest.startswith("clconv-bundle 1\nplatform the tests' own\ndevice "))
        self.assertRegex(manifest, r"problem forward mb1ic1id4")
        self.assertEqual(len([n for n in names if n.endswith(".cl")]), manifest.count("\nprogram "))
        self.compile("--emit-source", "other", "--as", "accelerator")
        self.refused(1, "its file 'sources/kernels.bin' cannot be read", "compile", "--manifest", "sources/manifest",
                     "--output", "bundle")

    def test_what_cannot_be_planned_writes_nothing(self):
        result = self.tool("compile", "--problem", "ic2id4oc2kd9", "--output", "programs", environment=self.with_compiler)
        self.assertNotEqual(result.returncode, 0)
        self.assertFalse(os.path.exists(self.path("programs")))

    def test_wrong_use(self):
        self.refused(2, "needs one of --suite, --problem and --manifest", "compile", "--output", "b")
        self.refused(2, "needs one of --output and --emit-source", "compile", "--problem", PROBLEM)
        self.refused(2, "--manifest needs --output", "compile", "--manifest", "m", "--emit-source", "d")
        self.refused(2, "--as needs --emit-source", "compile", "--problem", PROBLEM, "--output", "b", "--as", "cpu")
        self.refused(1, "the manifest 'm' cannot be read", "compile", "--manifest", "m", "--output", "b")


if __name__ == "__main__":
    unittest.main()
