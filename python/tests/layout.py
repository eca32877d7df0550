"""The structs and enums of clconv._ffi against the header, by a compiled program: layout.py COMPILER INCLUDE."""
import ctypes
import os
import subprocess
import sys
import tempfile

from clconv import _ffi

ENUMS = {**{f"CLCONV_PADDING_{k.upper()}": v for k, v in _ffi.PADDING_MODES.items()},
         **{f"CLCONV_ACTIVATION_{k.upper()}": v for k, v in _ffi.ACTIVATIONS.items()},
         **{f"CLCONV_{k.upper().replace('-', '_')}": v for k, v in _ffi.OPS.items()},
         **{name: value for value, name in enumerate(_ffi.STATUSES)}, "CLCONV_GRAD_INPUT": _ffi.GRAD_INPUT,
         "CLCONV_GRAD_WEIGHT": _ffi.GRAD_WEIGHT, "CLCONV_GRAD_BIAS": _ffi.GRAD_BIAS, "CLCONV_FLOAT32": _ffi.FLOAT32,
         "CLCONV_FLOAT64": _ffi.FLOAT64, "CLCONV_CHECK_QUICK": _ffi.CHECK_QUICK, "CLCONV_CHECK_USUAL": _ffi.CHECK_USUAL,
         "CLCONV_CHECK_FULL": _ffi.CHECK_FULL, "CLCONV_MESSAGE_SIZE": _ffi.MESSAGE_SIZE,
         "CLCONV_STATUS_END_": len(_ffi.STATUSES)}


def expected():
    lines = {f"{name} {value}" for name, value in ENUMS.items()}
    for name, struct in _ffi.STRUCTS.items():
        lines.add(f"{name} {ctypes.sizeof(struct)}")
        for field, kind in struct._fields_:
            lines.add(f"{name}.{field} {getattr(struct, field).offset} {ctypes.sizeof(kind)}")
    return lines


def program():
    body = [f'printf("{name} %lld\\n", (long long){name});' for name in ENUMS]
    for name, struct in _ffi.STRUCTS.items():
        body.append(f'printf("{name} %zu\\n", sizeof({name}));')
        body += [f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));'
                 for field, _ in struct._fields_]
    return "#include <clconv.h>\n#include <stdio.h>\nint main(void)\n{\n" + "\n".join(body) + "\nreturn 0;\n}\n"


def main(compiler, include):
    with tempfile.TemporaryDirectory() as folder:
        source, made = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
        with open(source, "w") as file:
            file.write(program())
        subprocess.run([compiler, "-I", include, "-o", made, source], check=True)
        got = set(subprocess.run([made], check=True, capture_output=True, text=True).stdout.splitlines())
    differ = sorted(got ^ expected())
    print("\n".join(differ) or f"{len(got)} facts agree")
    return 1 if differ or not got else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
