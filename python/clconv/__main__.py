"""``python -m clconv``: versions, the libraries in use, and the devices."""
import sys

import numpy

import clconv


def main() -> int:
    print(f"clconv {clconv.__version__}, numpy {numpy.__version__}, Python {sys.version.split()[0]}")
    print(f"library {clconv.library_path}")
    print(f"loader  {clconv.loader_path}")
    found = clconv.devices()
    for device in found:
        print(f"device  {device.selector}  {device.type}  {device.name}  ({device.platform_name})")
    if not found:
        print("device  none: install PoCL (Debian: pocl-opencl-icd), a GPU's driver, or intel-opencl-rt from PyPI")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
