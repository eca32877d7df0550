"""Filters a zarr array into another, block by block, with a bounded amount of memory: zarr_out_of_core.py IN OUT [MEMORY].

A run that was stopped goes on where it was: done blocks are listed beside the result.
"""
import sys

import numpy as np
import zarr

import clconv.blocks
import clconv.ndimage


def main(source, destination, memory=1 << 28):
    volume = zarr.open(source, mode="r")
    bank = clconv.ndimage.jet_filters(1.0).astype(np.float32)
    shape = (len(bank), *volume.shape)
    made = zarr.open(destination, mode="a", shape=shape, chunks=(len(bank), *volume.chunks), dtype="f4")
    count = clconv.blocks.correlate(volume, made, bank, padding_mode="symmetric", memory=int(memory), progress=True,
                                    resume=f"{destination}.done")
    print(f"{count} blocks of {shape}")
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])
