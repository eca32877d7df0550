"""The MNI152 head, T1 and the maps of grey and white matter, from the wheel of nilearn on PyPI that tools/demo pins by its hash;
kept in a folder. Where it cannot be had, a phantom of shells with noise takes its place."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
KINDS = ("t1", "gm", "wm")


def _download(folder):
    with open(os.path.join(ROOT, "tools", "demo"), encoding="utf-8") as file:
        pinned = re.search(r"^wheel='([^']+)'", file.read(), re.MULTILINE)[1]
    with tempfile.TemporaryDirectory(dir=folder) as part:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-deps",
               "--only-binary", ":all:", "--ignore-requires-python", "--retries", "1"]
        subprocess.run([*pip, "--dest", part, "--requirement", "/dev/stdin"], input=pinned, text=True, check=True, timeout=300)
        with zipfile.ZipFile(glob.glob(os.path.join(part, "nilearn-*.whl"))[0]) as wheel:
            for kind in KINDS:
                made = os.path.join(part, kind)
                with open(made, "wb") as file:
                    file.write(wheel.read(f"nilearn/datasets/data/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"))
                os.replace(made, os.path.join(folder, f"mni152_{kind}.nii.gz"))


def fetch(folder):
    """Paths by kind, or None."""
    paths = {kind: os.path.join(folder, f"mni152_{kind}.nii.gz") for kind in KINDS}
    if not all(map(os.path.exists, paths.values())):
        os.makedirs(folder, exist_ok=True)
        try:
            _download(folder)
        except (OSError, subprocess.SubprocessError) as reason:
            print(f"the head cannot be had from PyPI ({reason})", file=sys.stderr)
            return None
    return paths


def phantom(size):
    """A volume, and labels: 2 within 1 within 0."""
    axes = np.linspace(-1, 1, size, dtype=np.float32)
    x, y, z = np.meshgrid(axes, axes, axes, indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z) + 0.1 * np.cos(9 * x) * np.cos(7 * y) * np.cos(8 * z)
    labels = (radius < 0.8).astype(np.int64) + (radius < 0.6)
    noise = np.random.default_rng(0).standard_normal(labels.shape).astype(np.float32)
    return labels * np.float32(0.4) + np.float32(0.1) * noise, labels


def head(folder):
    """The T1 volume with mean 0 and deviation 1 within the brain, and labels: 0 other, 1 grey matter, 2 white matter."""
    paths = fetch(folder)
    if paths is None:
        volume, labels = phantom(96)
    else:
        import nibabel

        volume, grey, white = (np.asarray(nibabel.load(paths[kind]).dataobj, np.float32) for kind in KINDS)
        grey, white = (tissue / max(1.0, float(tissue.max())) for tissue in (grey, white))
        labels = np.argmax(np.stack([1 - grey - white, grey, white]), axis=0)
    inside = volume[labels > 0]
    return ((volume - inside.mean()) / inside.std()).astype(np.float32), labels
