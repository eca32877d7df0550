"""The examples in docstrings."""
import doctest
import importlib
import pkgutil
import unittest

import clconv


class Examples(unittest.TestCase):
    def test_docstrings(self):
        attempted = 0
        for module in pkgutil.walk_packages(clconv.__path__, "clconv."):
            if module.name == "clconv.__main__":
                continue
            try:
                loaded = importlib.import_module(module.name)
            except ImportError:  # of an extra that is not installed
                continue
            result = doctest.testmod(loaded)
            self.assertEqual(result.failed, 0, module.name)
            attempted += result.attempted
        self.assertGreater(attempted, 20)


if __name__ == "__main__":
    unittest.main()
