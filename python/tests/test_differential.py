"""clconv.torch beside torch: random problems, and torch's own tests of its modules with ours in their place."""
import os
import sys
import types
import unittest
import warnings

from needs import needs

torch, ours, differential = needs("torch", "clconv.torch", "differential")

warnings.filterwarnings("ignore", message="Using padding='same'")
FULL = {"forward": 2000, "gradients": 1000, "transposed": 500}
COUNTS = FULL if os.environ.get("CLCONV_FULL_TESTS") else {"forward": 36, "gradients": 24, "transposed": 12}


class RandomProblems(unittest.TestCase):
    def test_within_the_bound(self):
        for kind, count in COUNTS.items():
            for number in range(count):
                share, problem = differential.try_one(1, kind, number)
                self.assertLessEqual(share, 1, f"{kind} {number}: {problem}")


def torchs_tests():
    """torch.testing._internal.common_nn, for which a package that compares texts must be importable; these tests compare none."""
    try:
        import expecttest
    except ImportError:
        expecttest = types.ModuleType("expecttest")
        expecttest.TestCase, expecttest.ACCEPT = unittest.TestCase, True
        sys.modules["expecttest"] = expecttest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal import common_nn
    return common_nn


common_nn = torchs_tests()


class Modules(common_nn.NNTestCase):
    """What torch's tests ask of a test case, and the tests themselves as methods."""

    def setUp(self):
        super().setUp()
        self.before = torch.get_default_dtype()
        torch.set_default_dtype(torch.double)

    def tearDown(self):
        torch.set_default_dtype(self.before)
        super().tearDown()

    def _forward(self, module, input):
        return module(*input) if isinstance(input, tuple) else module(input)

    def _backward(self, module, input, output, grad_output, create_graph=False):
        output.backward(grad_output, retain_graph=True, create_graph=create_graph)
        return tuple(i.grad for i in input) if isinstance(input, tuple) else input.grad

    def _get_parameters(self, module):
        parameters = list(module.parameters())
        return parameters, [p.grad for p in parameters]

    def _zero_grad_parameters(self, module):
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad.zero_()
                parameter.grad.detach_()


def constructor_of(case):
    """Ours in the place of torch's, None if the case is of another module."""
    if case.get("module_name") in ("Conv3d", "ConvTranspose3d"):
        return getattr(ours, case["module_name"])
    if "Conv3d" in case.get("fullname", ""):
        return lambda: ours.replace_conv3d(case["constructor"]())
    return None


def add_tests():
    cases = common_nn.get_new_module_tests() if hasattr(common_nn, "get_new_module_tests") else common_nn.new_module_tests
    for number, case in enumerate(cases):
        constructor = constructor_of(case)
        if constructor is None:
            continue
        more = {key: value for key, value in case.items() if key not in ("module_name", "constructor")}
        # Derivatives along a random direction instead of each entry's, as torch's own runs of these tests may be asked for.
        test = common_nn.NewModuleTest(constructor, **{**more, "gradcheck_fast_mode": True})
        name = case.get("fullname") or f"{case['module_name']}_{case.get('desc')}"
        setattr(Modules, f"test_{number}_{name}", lambda self, test=test: test(self))


add_tests()


class Found(unittest.TestCase):
    def test_torchs_tests_are_there(self):
        self.assertGreaterEqual(sum(name.startswith("test_") for name in vars(Modules)), 17)


if __name__ == "__main__":
    unittest.main()
