"""The examples in docstrings."""
import doctest
import importlib
import os
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

    def test_docs(self):
        page = os.path.join(os.environ["SOURCE_DIR"], "docs", "python.md")
        result = doctest.testfile(page, module_relative=False)
        self.assertEqual(result.failed, 0)
        self.assertGreater(result.attempted, 10)

    def test_readme(self):
        with open(os.path.join(os.environ["SOURCE_DIR"], "README.md"), encoding="utf-8") as file:
            lines = file.read().split("```python\n")[1].split("```")[0]
        names: dict = {}
        exec(lines, names)
        self.assertEqual(names["y"].shape, (1, 4, 8, 8, 8))
        self.assertTrue((names["y"] == 27).all())


if __name__ == "__main__":
    unittest.main()
