"""Packages that a test file needs. Where they are not installed it ends without a test, or, if TEST_REQUIRE_PACKAGES is set, fails."""
import importlib
import os

REQUIRED = bool(os.environ.get("TEST_REQUIRE_PACKAGES"))


def needs(*names):
    """The modules of these names."""
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as reason:
        if REQUIRED:
            raise
        print(f"nothing is tested: {reason}")
        raise SystemExit(0) from reason
