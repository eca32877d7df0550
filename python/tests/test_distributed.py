"""Two processes that share a batch: the gradients of one process, and the same bits in every run."""
import os
import sys
import unittest

from needs import needs

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "examples"))
torch, ddp_gloo = needs("torch", "ddp_gloo")


@unittest.skipUnless(torch.distributed.is_available() and torch.distributed.is_gloo_available(), "torch was built without gloo")
class TwoProcesses(unittest.TestCase):
    def test_gradients_are_those_of_the_whole_batch(self):
        one, two = (ddp_gloo.train(processes, 1, whole_numbers=True)["gradients"] for processes in (1, 2))
        for whole, shared in zip(one, two):
            self.assertTrue(torch.equal(whole, shared))
            self.assertGreater(float(whole.abs().max()), 0)

    def test_every_run_has_the_same_bits(self):
        once, again = (ddp_gloo.train(2, 4) for _ in range(2))
        self.assertEqual(ddp_gloo.digest(once["parameters"]), ddp_gloo.digest(again["parameters"]))
        self.assertLess(once["losses"][-1], once["losses"][0])


if __name__ == "__main__":
    unittest.main()
