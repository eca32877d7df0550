"""Commands, help, versions, man pages and exit statuses: the outer shell of the tool."""
import subprocess

from cli import *


class Usage(ToolTest):
    def test_version_is_that_of_the_header(self):
        with open(os.path.join(SOURCE_DIR, "include", "clconv.h")) as f:
            numbers = re.findall(r"define CLCONV_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", f.read())
        self.assertEqual(self.done("--version"), "clconv %s\n" % ".".join(numbers))

    def test_help_lists_every_command(self):
        text = self.done("--help")
        for command in COMMANDS:
            self.assertRegex(text, r"(?m)^  %s " % command)

    def test_help_is_a_command(self):
        self.assertEqual(self.done("help"), self.done("--help"))
        for command in COMMANDS:
            self.assertEqual(self.done("help", command), self.done(command, "--help"))
        self.refused(2, "'nothing' is no command", "help", "nothing")
        self.refused(2, "help takes one command", "help", "run", "plan")

    def test_an_option_is_given_once(self):
        self.refused(2, "plan: --stride is given twice", "plan", "--stride", "1", "--stride", "2")
        self.refused(2, "plan: --strict is given twice", "plan", "--strict", "--problem", "ic1id4oc1kd3", "--strict")

    def test_help_of_every_command(self):
        for command in COMMANDS:
            text = self.done(command, "--help")
            self.assertRegex(text, r"\Ausage: clconv %s " % command)
            self.assertRegex(text, r"(?m)^  --help ")
            self.assertLess(max(map(len, text.splitlines())), 101, command)

    def test_man_page_names_every_option_and_no_other(self):
        for command in COMMANDS:
            shown = set(re.findall(r"(?m)^  (--[a-z-]+)", self.done(command, "--help")))
            with open(os.path.join(SOURCE_DIR, "tools", "man", "clconv-%s.1" % command)) as f:
                page = f.read().replace("\\-", "-")
            described = set(re.findall(r"(?m)^\.B[I]? (--[a-z-]+)", page))
            self.assertEqual(shown, described, command)
            self.assertIn(".SH EXAMPLES", page)

    def test_main_man_page_names_every_command(self):
        with open(os.path.join(SOURCE_DIR, "tools", "man", "clconv.1")) as f:
            page = f.read().replace("\\-", "-")
        for command in COMMANDS:
            self.assertIn("clconv-%s" % command, page)

    def test_wrong_commands(self):
        self.refused(2, "no command")
        self.refused(2, "'convolve' is no command", "convolve")
        self.refused(2, "is no command", "")

    def test_wrong_options(self):
        self.refused(2, "run: '--strid0' is no option", "run", "--strid0", "1")
        self.refused(2, "run: '-q' is no option", "run", "-q")
        self.refused(2, "run: option '--input' needs a value", "run", "--input")
        self.refused(2, "devices: option '--json=yes' takes no value", "devices", "--json=yes")
        self.refused(2, "unexpected argument 'extra'", "check", "extra")
        self.refused(2, "--device is empty", "devices", "--device", "")

    def test_a_message_is_one_line_whatever_a_name_holds(self):
        self.refused(2, "no option", "run", "--a\nb\x1b[31m")

    def test_missing_options(self):
        for option, rest in {"input": ["weight", "output"], "weight": ["input", "output"],
                             "output": ["input", "weight"]}.items():
            self.refused(2, "--%s is missing" % option, "run", *sum((["--" + r, "x.npy"] for r in rest), []))
        self.refused(2, "--input-shape is missing", "plan", "--weight-shape", "1,1,1,1,1")
        self.refused(2, "--weight-shape is missing", "plan", "--input-shape", "1,1,1,1,1")
        self.refused(2, "--weight-shape is missing", "init", "--weight", "w.npy")
        self.refused(2, "--weight is missing", "init", "--weight-shape", "1,1,1,1,1")

    def test_options_that_exclude_each_other(self):
        problem = ["--problem", "ic1id4oc1kd3"]
        self.refused(2, "exclude each other", "plan", *problem, "--input-shape", "1,1,4,4,4")
        self.refused(2, "exclude each other", "plan", *problem, "--stride", "2")
        self.refused(2, "exclude each other", "bench", *problem, "--suite", "s.csv")

    def test_numbers_are_taken_whole(self):
        shapes = ["--input-shape", "1,1,8,8,8", "--weight-shape", "1,1,3,3,3"]
        for option in ["stride", "dilation", "padding"]:
            for value in ["", "x", "1.5", "1,2", "1,2,3,4", "1,,1", "1 ", "0x2", "9" * 20, "1,1,1,", ","]:
                self.refused(2, "--%s is '%s'; it must be" % (option, re.escape(value)), "plan", *shapes,
                             "--" + option, value)
        for value in ["1,2,3,4,5", "1,2,3,4,5,6,7", "Same", "full"]:
            self.refused(2, "--padding is '%s'" % value, "plan", *shapes, "--padding", value)
        for value in ["two", "1.0", "", "1,1"]:
            self.refused(2, "--groups is '%s'; it must be" % value, "plan", *shapes, "--groups", value)
        for value in ["-1", "1X", "1KB", "K", "", "1.5G", "99999999999999999999", "18014398509481984K"]:
            self.refused(2, "--workspace-limit is '%s'" % value, "plan", *shapes, "--workspace-limit", value)
        for value in ["1,1,4,4", "1,1,4,4,4,4", "1x4", ""]:
            self.refused(2, "--input-shape is '%s'; it must be five" % value, "plan", "--input-shape", value)
        for value in ["-1", "1.0", "18446744073709551616", ""]:
            self.refused(2, "--seed is '%s'" % value, "init", "--seed", value)
        for value in ["0", "-3", "x"]:
            self.refused(2, "--runs is '%s'" % value, "bench", "--runs", value)
        for value in ["0", "-1", "nan", "inf", "1s", ""]:
            self.refused(2, "--time is '%s'" % value, "bench", "--time", value)

    def test_unknown_words(self):
        shapes = ["--input-shape", "1,1,8,8,8", "--weight-shape", "1,1,3,3,3"]
        self.refused(2, "--padding-mode is 'mirror'; it must be 'zeros', 'reflect', 'replicate', 'circular' or 'symmetric'",
                     "plan", *shapes, "--padding-mode", "mirror")
        self.refused(2, "algorithm.*'?fastest'?", "plan", *shapes, "--algorithm", "fastest")
        self.refused(2, "--op is 'sideways'", "plan", *shapes, "--op", "sideways")
        for op in ("forward", "backward-input", "backward-weight", "backward-bias", "transposed"):
            self.assertIn('"%s"' % op, self.done("plan", *shapes, "--op", op, "--json"))

    def test_standard_output_that_takes_nothing(self):
        with open("/dev/full", "w") as full:
            for arguments in [["--help"], ["--version"], ["devices"], ["run", "--help"]]:
                self.refused(1, "cannot write to standard output", *arguments, stdout=full)

    def test_closed_pipe_is_an_error_and_no_signal(self):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as pipe:
            self.refused(1, "cannot write to standard output", "--help", stdout=pipe)

    def test_closed_standard_output_takes_no_tensor(self):
        command = '"$0" init --weight-shape 1,1,1,1,1 --weight w.npy >&-; echo $? >&2'
        result = subprocess.run(["sh", "-c", command, TOOL], cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.stderr, "0\n")
        self.assertEqual(self.load("w.npy").shape, (1, 1, 1, 1, 1))


if __name__ == "__main__":
    unittest.main()
