"""Bad input: the exit status, a message that names argument, value and rule, and no file new or changed."""
from cli import *


class Refusals(ToolTest):
    def setUp(self):
        super().setUp()
        self.save("x.npy", self.normal(1, 4, 5, 6, 7))
        self.save("w.npy", self.normal(4, 4, 3, 3, 3))
        self.save("b.npy", self.normal(4))
        self.write("y.npy", b"an old file")

    def refuse_run(self, status, message, *options, x="x.npy", w="w.npy", b=None, y="y.npy", **more):
        bias = ["--bias", b] if b else []
        return self.refused(status, message, "run", "--input", x, "--weight", w, *bias, "--output", y, *options, **more)


class Shapes(Refusals):
    def test_ranks(self):
        for shape in [(), (5,), (5, 6, 7), (1, 1, 4, 5, 6, 7)]:
            text = re.escape("[%s]" % ", ".join(map(str, shape)))
            self.save("bad.npy", np.ones(shape, np.float32))
            self.refuse_run(2, "--input: expected 4D.*5D.*size " + text, x="bad.npy")
            self.refuse_run(2, "--weight: expected a 5D weight.*size " + text, w="bad.npy")
        self.save("w4.npy", self.normal(4, 3, 3, 3))
        self.refuse_run(2, r"--weight: expected a 5D weight.*size \[4, 3, 3, 3\]", w="w4.npy")

    def test_bias(self):
        for shape in [(3,), (5,), (4, 1), (1,)]:
            text = re.escape("[%s]" % ", ".join(map(str, shape)))
            self.refuse_run(2, "--bias: .*expected bias to be 1-dimensional with 4 elements.*size " + text,
                            b=self.save("bad.npy", self.normal(*shape)))

    def test_channels(self):
        w = self.save("w3.npy", self.normal(4, 3, 3, 3, 3))
        self.refuse_run(2, "to have 3 channels, but got 4 channels", w=w)
        self.refuse_run(2, "to have 8 channels, but got 4 channels", "--groups", "2")
        self.save("u.npy", self.normal(4, 5, 6, 7))
        self.refuse_run(2, "to have 3 channels, but got 4 channels", x="u.npy", w=w)

    def test_groups(self):
        for value in ["0", "-1", str(-2**63)]:
            self.refuse_run(2, "groups.*%s.*positive|positive.*groups" % value, "--groups", value)
        self.refuse_run(2, "groups is 3", "--groups", "3")
        self.refuse_run(2, "groups is 9223372036854775807", "--groups", str(2**63 - 1))
        self.save("w3.npy", self.normal(3, 2, 1, 1, 1))
        self.refuse_run(2, "divi[sd].*groups|groups.*divi[sd]", "--groups", "2", w="w3.npy")

    def test_empty_extents(self):
        self.refuse_run(2, r"\b0\b", x=self.save("e.npy", np.zeros((1, 4, 5, 0, 7), np.float32)))
        self.refuse_run(2, r"\b0\b", w=self.save("e.npy", np.zeros((4, 4, 3, 0, 3), np.float32)))
        self.refuse_run(2, r"\b0\b", w=self.save("e.npy", np.zeros((0, 4, 3, 3, 3), np.float32)))
        self.refuse_run(2, r"\b0\b", x=self.save("e.npy", np.zeros((1, 0, 5, 6, 7), np.float32)),
                        w=self.save("f.npy", np.zeros((4, 0, 3, 3, 3), np.float32)))


class Parameters(Refusals):
    def test_stride_and_dilation(self):
        for option in ["stride", "dilation"]:
            for value in ["0", "-1", "1,0,1", "1,1,-2", str(-2**63)]:
                number = re.search(r"-?\d{2,}|-\d|0", value).group()
                self.refuse_run(2, "%s.*%s" % (option, number), "--" + option, value)

    def test_padding(self):
        for value in ["-1", "0,-2,0", "0,0,0,0,0,-3"]:
            self.refuse_run(2, "pad.*%s" % re.search(r"-\d", value).group(), "--padding", value)

    def test_kernel_beyond_the_padded_input(self):
        self.save("w7.npy", self.normal(4, 4, 1, 7, 1))
        self.refuse_run(2, "kernel size can't be greater than actual input size", w="w7.npy")
        self.refuse_run(2, "kernel size can't be greater than actual input size", "--dilation", "3", w="w.npy")
        self.refuse_run(2, "kernel size can't be greater than actual input size", "--dilation", str(2**62))

    def test_padding_modes(self):
        self.refuse_run(2, "reflect.*5|5.*reflect", "--padding-mode", "reflect", "--padding", "5,0,0")
        self.refuse_run(2, "reflect.*7|7.*reflect", "--padding-mode", "reflect", "--padding", "0,0,0,0,0,7")
        self.refuse_run(2, "circular.*6|6.*circular", "--padding-mode", "circular", "--padding", "6,0,0")
        self.refuse_run(2, "padding-mode is 'constant'", "--padding-mode", "constant")

    def test_same_needs_stride_1(self):
        for stride in ["2", "1,1,2"]:
            self.refuse_run(2, "same.*strid", "--padding", "same", "--stride", stride)

    def test_sizes_beyond_64_bits(self):
        huge = str(2**62)
        self.refuse_run(2, "pad|size|bytes", "--padding", huge)
        self.refused(2, "bytes|size|large|overflow|2\\^63", "plan", "--input-shape", ",".join([huge] * 5),
                     "--weight-shape", "1,%s,1,1,1" % huge)


class Epilogue(Refusals):
    def test_activations(self):
        for value in ["Relu", "relu6", "gelu:1", "relu:0.1", "leaky_relu:", "leaky_relu:nan", "leaky_relu:inf",
                      "leaky_relu:-inf", "leaky_relu:0.1x", "leaky_relu:1e999", "leaky", ":0.1", "silu,relu"]:
            self.refuse_run(2, "--activation is '%s'; it must be none, relu.*gelu" % re.escape(value), "--activation",
                            value)
        self.refuse_run(2, "activation_slope is 1e\\+300; it must be finite in float32", "--activation",
                        "leaky_relu:1e300")
        self.refuse_run(2, "--activation is empty|--activation is ''", "--activation", "")

    def test_shape_of_the_residual(self):
        for shape in [(1, 4, 3, 4, 6), (4, 3, 4, 5), (1, 4, 5, 6, 7), (2, 4, 3, 4, 5), (1, 3, 3, 4, 5), (240,), ()]:
            text = re.escape("[%s]" % ", ".join(map(str, shape)))
            self.save("r.npy", np.ones(shape, np.float32))
            self.refuse_run(2, r"--residual: expected the output's size \[1, 4, 3, 4, 5\], .*size " + text,
                            "--residual", "r.npy")

    def test_type_and_file_of_the_residual(self):
        self.save("r.npy", np.ones((1, 4, 3, 4, 5)))
        self.refuse_run(2, r"input type \(float32\) and residual type \(float64\) should be the same", "--residual",
                        "r.npy")
        self.write("r.npy", b"no array")
        self.refuse_run(2, "'r.npy'", "--residual", "r.npy")
        self.refuse_run(1, "'absent.npy'", "--residual", "absent.npy")


class Types(Refusals):
    def test_mixed_types(self):
        self.refuse_run(2, r"input type \(float64\) and weight type \(float32\) should be the same",
                        x=self.save("d.npy", self.normal(1, 4, 5, 6, 7, dtype=np.float64)))
        self.refuse_run(2, r"input type \(float32\) and bias type \(float64\) should be the same",
                        b=self.save("d.npy", self.normal(4, dtype=np.float64)))

    def test_types_that_need_a_dtype(self):
        for dtype in ["<i4", ">i2", "<f2", "|b1", "|u1"]:
            self.write("t.npy", npy_bytes(np.zeros((1, 4, 5, 6, 7), dtype)))
            for option in ["x", "w", "b"]:
                self.refuse_run(2, "'t.npy' holds dtype '%s'.*--dtype float32" % re.escape(dtype), **{option: "t.npy"})

    def test_types_that_are_no_numbers(self):
        for dtype in ["<c8", "<U4", "<M8[s]", "<f16"]:
            self.write("t.npy", npy_bytes(np.zeros((1, 4, 5, 6, 7), dtype)))
            self.refuse_run(2, "'t.npy' holds dtype '%s'; clconv reads" % re.escape(dtype), x="t.npy")
        self.write("t.npy", npy_bytes(descr="|O", shape=(1,), data=b"\x80\x03N."))
        self.refuse_run(2, r"'t.npy'.*\|O.*object", x="t.npy")
        header = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"
        self.write("t.npy", npy_bytes(header=header, data=b"\0" * 4))
        self.refuse_run(2, "'t.npy'.*structured", x="t.npy")


class Files(Refusals):
    def test_files_that_are_no_tensor(self):
        good = npy_bytes(self.normal(1, 4, 5, 6, 7))
        for name, data in {"empty": b"", "short": good[:7], "in its header": good[:40], "last byte": good[:-1],
                           "no magic": b"x" + good[1:], "one more": good + b"\0",
                           "version": good[:6] + b"\4" + good[7:],
                           "text": b"1 2 3 4 5 6 7 8 9 10\n"}.items():
            with self.subTest(name):
                self.write("t.npy", data)
                self.refuse_run(2, "--input: 't.npy'", x="t.npy")
                self.refuse_run(2, "--weight: 't.npy'", w="t.npy")

    def test_headers_that_lie(self):
        data = b"\0" * 32
        for shape in ["(1, 1, 2, 2, 3)", "(1, 1, 2, 2, 1)", "(1, 1, 2, 2, -2)", "(1, 1, 2, 2, 2.0)", "(1, 1, 2, 2", "5",
                      "(1, 1, 1099511627776, 1099511627776, 1)", "(1, 1, 2147483648, 2, 2)",
                      "(99999999999999999999,)", "(1,1,1,1,1,1,1,1,8)", "()", "None"]:
            with self.subTest(shape):
                self.write("t.npy", npy_bytes(shape=shape, data=data))
                self.refuse_run(2, "--input: ", x="t.npy")
        for header in ["", "{}", "{'descr': '<f4', 'shape': (8,)}", "{'descr': '<f4'", "\0" * 64, "[1]",
                       "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,1,2,2,2)}",
                       "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,2,2,2), 'more': 1}"]:
            with self.subTest(header):
                self.write("t.npy", npy_bytes(header=header, data=data))
                self.refuse_run(2, "--input: 't.npy'", x="t.npy")

    def test_headers_of_gigabytes(self):
        header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2, 2, 2), }"
        for length in [2**32 - 1, 2**31, 2**20]:
            self.write("t.npy", npy_bytes(header=header, data=b"\0" * 32, version=2, length=length))
            self.refuse_run(2, "'t.npy'.*header of %d bytes" % length, x="t.npy")

    def test_a_sparse_file_is_no_excuse(self):
        with open(self.path("t.npy"), "wb") as f:
            f.write(npy_bytes(shape="(1, 1, 4096, 4096, 4096)", data=b""))
        self.refuse_run(2, "'t.npy'.*truncated", x="t.npy")

    def test_volumes(self):
        good = nifti_bytes(self.normal(5, 6, 7), np.eye(4))
        lying = bytearray(good)
        struct.pack_into("<h", lying, 42, 32767)
        for name, data in {"empty": b"", "short": good[:300], "truncated": good[:-4], "lying": bytes(lying),
                           "text": b"hello", "damaged": gzip.compress(good)[:-9]}.items():
            for ending in [".nii", ".nii.gz"]:
                with self.subTest(name + ending):
                    self.write("t" + ending, data)
                    self.refuse_run(2, "--input: 't%s'" % ending, x="t" + ending)

    def test_files_that_cannot_be_opened(self):
        os.mkdir(self.path("folder.npy"))
        for name in ["missing.npy", "folder.npy", "missing/x.npy", "x.npy/x.npy"]:
            self.refuse_run(1, "--input: .*'%s'" % name, x=name)
            self.refuse_run(1, "--weight: .*'%s'" % name, w=name)
            self.refuse_run(1, "--bias: .*'%s'" % name, b=name)

    def test_outputs_that_cannot_be_written(self):
        os.mkdir(self.path("folder.npy"))
        for name in ["folder.npy", "missing/y.npy", "x.npy/y.npy"]:
            self.refuse_run(1, "--output: .*'%s'" % name, y=name)
        self.refuse_run(2, "--output: .*'y.txt'", y="y.txt")
        self.refuse_run(2, "--output: .*'y'", y="y")

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_outputs_without_permission(self):
        os.mkdir(self.path("locked"), 0o500)
        self.refuse_run(1, "--output: .*locked/y.npy.*ermission", y="locked/y.npy")

    def test_one_file_for_two_outputs(self):
        self.refused(2, "--bias.*'w2.npy'|'w2.npy'.*--bias", "init", "--weight-shape", "1,1,1,1,1", "--weight",
                     "w2.npy", "--bias", "w2.npy")

    def test_second_output_fails(self):
        self.refused(1, "--bias: .*'missing/b.npy'", "init", "--weight-shape", "1,1,1,1,1", "--weight", "new.npy",
                     "--bias", "missing/b.npy")


class Devices(Refusals):
    def test_selector_that_matches_nothing(self):
        for selector in ["9:9", "no such device", "cpu:77", "cpu:no such device", "77", "512"]:
            self.refuse_run(1, 'selector is "%s"' % selector, "--device", selector)
            self.refuse_run(1, 'CLCONV_DEVICE is "%s"' % selector, environment={"CLCONV_DEVICE": selector})

    def test_selector_that_is_none(self):
        for selector in ["77:cpu", "cpu:77:0", "-1", "cpu,", " "]:
            self.refuse_run(2, 'selector is "%s", which has' % selector, "--device=" + selector)

    def test_number_past_the_end(self):
        count = len(self.done("devices", "--json").splitlines())
        self.refuse_run(1, "there (is|are) %d, numbered from 0: 0 or " % count, "--device", str(count))

    def test_option_wins_over_environment(self):
        self.refuse_run(1, "no such device", "--device", "no such device", environment={"CLCONV_DEVICE": "cpu"})

    def test_no_platform(self):
        os.mkdir(self.path("vendors"))
        nothing = {"OCL_ICD_VENDORS": self.path("vendors")}
        self.refuse_run(1, "no OpenCL", environment=nothing)
        for command in [["devices"], ["devices", "--json"], ["check", "--quick"], ["bench"],
                        ["plan", "--problem", "ic1id4oc1kd3"]]:
            result = self.refused(1, "no OpenCL", *command, environment=nothing)
            self.assertEqual(result.stdout, "")

    def test_cache_of_pocl_that_cannot_be_written(self):
        """PoCL then has no device, or builds nothing; what there is of the path stays as it is."""
        if "Portable Computing Language" not in self.done("devices"):
            self.skipTest("PoCL is not there")
        self.write("file", b"")
        below = self.path("file/cache")
        unset = {"POCL_CACHE_DIR": None, "XDG_CACHE_HOME": None}
        for variables, folder in [({"POCL_CACHE_DIR": below}, below),
                                  ({"XDG_CACHE_HOME": below}, below + "/pocl/kcache"),
                                  ({"HOME": below}, below + "/.cache/pocl/kcache")]:
            self.refuse_run(1, "no OpenCL device: PoCL cannot write its cache folder '%s'; POCL_CACHE_DIR" % folder,
                            environment={**unset, **variables})
        builds_nothing = self.tool("plan", "--problem", "ic1id4oc1kd3", environment={"POCL_CACHE_DIR": self.path("file")})
        self.assertEqual(builds_nothing.returncode, 1)
        self.assertRegex(builds_nothing.stderr, "did not build .*PoCL cannot write its cache folder '%s'" % self.path("file"))
        made = self.path("new/cache")
        self.done("plan", "--problem", "ic1id4oc1kd3", environment={"POCL_CACHE_DIR": made})
        self.assertTrue(os.listdir(made))

    def test_tensor_past_the_allocation_limit(self):
        """1 GiB of global memory in all: a larger output is made in blocks, of a transposed convolution too."""
        limited = {"POCL_MEMORY_LIMIT": "1"}
        facts = self.tool("devices", "--json", environment=limited).stdout.splitlines()
        limits = [n for n in [2**28, 2**29, 2**30] if any('"max_allocation_bytes":%d' % n in line for line in facts)]
        if not limits:
            self.skipTest("no device whose allocation limit can be shrunk")
        x, w = self.normal(1, 1, 64, 64, 64), self.normal(limits[0] // 2**20 + 8, 1, 1, 1, 1)
        self.save("x.npy", x)
        self.save("w.npy", w)
        self.save("t.npy", w.reshape(1, -1, 1, 1, 1))
        self.done("run", "--input", "x.npy", "--weight", "w.npy", "--output", "y.npy", environment=limited)
        self.done("run", "--input", "x.npy", "--weight", "t.npy", "--transposed", "--output", "z.npy", environment=limited)
        for name in ["y.npy", "z.npy"]:
            made = np.load(self.path(name), mmap_mode="r")
            for channel in [0, len(w) // 2, len(w) - 1]:
                self.assertTrue(np.array_equal(made[0, channel], x[0, 0] * w[channel].ravel()[0]))


class Initial(Refusals):
    def test_shapes(self):
        for shape in ["0,1,1,1,1", "1,0,1,1,1", "1,1,-1,1,1", "1,1,1,1,0"]:
            self.refused(2, "--weight-shape: (O|I|kD|kW) is (0|-1); it must be positive", "init", "--weight-shape",
                         shape, "--weight", "new.npy")
        self.refused(2, "2\\^63|63 bits|large|overflow|size", "init", "--weight-shape",
                     ",".join([str(2**40)] * 5), "--weight", "new.npy")

    def test_groups(self):
        self.refused(2, "divisible by groups: 4 by 3", "init", "--weight-shape", "4,1,1,1,1", "--groups", "3",
                     "--weight", "new.npy")
        self.refused(2, "--groups is 0", "init", "--weight-shape", "4,1,1,1,1", "--groups", "0", "--weight", "new.npy")

    @unittest.skipIf(os.environ.get("SANITIZE"), "a sanitizer ends a program that asks for so much")
    def test_memory(self):
        self.refused(1, "memory", "init", "--weight-shape", "1048576,1048576,64,1,1", "--weight", "new.npy")


class Suites(Refusals):
    columns = "network,layer,N,Cin,D,H,W,Cout,kD,kH,kW,sD,sH,sW,pD,pH,pW,dD,dH,dW,groups"
    row = "net,one,1,2,3,4,5,6,1,1,1,1,1,1,0,0,0,1,1,1,1"

    def refuse_suite(self, status, message, text):
        self.write("s.csv", text.encode())
        self.refused(status, message, "bench", "--suite", "s.csv")

    def test_files(self):
        self.refused(1, "--suite: cannot open 'missing.csv'", "bench", "--suite", "missing.csv")
        os.mkdir(self.path("folder"))
        self.refused(1, "--suite: cannot (open|read) 'folder'", "bench", "--suite", "folder")

    def test_headers(self):
        self.refuse_suite(2, "s.csv: is empty", "")
        self.refuse_suite(2, "s.csv:1: column 'N' is missing", self.row + "\n")
        for name in self.columns.split(","):
            rest = [c for c in self.columns.split(",") if c != name]
            self.refuse_suite(2, "s.csv:1: column '%s' is missing" % name, ",".join(rest) + "\n")
        self.refuse_suite(2, "s.csv:1: column 'kD' comes twice", self.columns + ",kD\n")
        self.refuse_suite(2, "s.csv: holds no layer", self.columns + "\n")
        self.refuse_suite(2, "s.csv: holds no layer", self.columns + ",transposed\n" + self.row + ",1\n")
        self.refuse_suite(2, "s.csv:1: more than 64 fields", "," * 64 + "\n")

    def test_rows(self):
        head = self.columns + "\n" + self.row + "\n"
        self.refuse_suite(2, "s.csv:3: 20 fields; the header has 21", head + self.row.rsplit(",", 1)[0] + "\n")
        self.refuse_suite(2, "s.csv:4: 22 fields; the header has 21", head + "\n" + self.row + ",\n")
        for value in ["x", "", "1.5", " 1", "1e3", "9" * 20]:
            bad = self.row.split(",")
            bad[8] = value
            self.refuse_suite(2, "s.csv:3: column kD is '%s'; it must be an integer" % value,
                              head + ",".join(bad) + "\n")
        self.refuse_suite(2, "s.csv:3: field 1 has a quote", head + '"' + self.row + "\n")
        self.refuse_suite(2, "s.csv:3: field 1 has a quote", head + 'n"et"' + self.row[3:] + "\n")
        self.refuse_suite(2, "s.csv:3: holds a zero byte", head + "net\0" + self.row[3:] + "\n")
        self.refuse_suite(2, "s.csv:2: column transposed is 2; it must be 0 or 1",
                          self.columns + ",transposed\n" + self.row + ",2\n")

    def test_three_axes(self):
        self.save("x.npy", self.normal(4, 4, 4))
        self.save("w.npy", self.normal(1, 1, 3, 3, 3))
        self.refused(2, r"a volume of one channel is \(1,D,H,W\)", "run", "--input", "x.npy", "--weight", "w.npy",
                     "--output", "y.npy")

    def test_suite_of_a_spreadsheet(self):
        """One that begins with a byte order mark, and only there."""
        head = ("\ufeff" + self.columns + "\n").encode()
        self.write("s.csv", head + self.row.encode() + b"\n")
        self.assertRegex(self.done("bench", "--suite", "s.csv"), "net +one")
        self.refuse_suite(2, "s.csv:1: column 'network' is missing", "\ufeff\ufeff" + self.columns + "\n" + self.row + "\n")

    def test_problem_text(self):
        for text in ["ic1", "ic1id4oc1kd3xx", "id4", "ic1id4oc1kd3ic2", "icxid4oc1kd3",
                     "ic1id4oc1kd99999999999999999999"]:
            self.refused(2, "--problem: ", "bench", "--problem", text)
            self.refused(2, "--problem: ", "plan", "--problem", text)
        self.refused(2, "kernel size can't be greater", "plan", "--problem", "ic1id4oc1kd5")

    def test_what_the_device_cannot_hold(self):
        self.refused(1, "input has 400000000000000000 bytes; device .* allocates at most", "plan", "--problem",
                     "ic1id1000000ih1000000iw100000oc1kd1")
        self.refused(1, "input has 64000000000000000 bytes; device .* allocates at most", "plan", "--problem",
                     "mb1000000000000ic2id20oc4kd3pd1")


if __name__ == "__main__":
    unittest.main()
