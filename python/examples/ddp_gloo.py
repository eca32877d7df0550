"""Trains a network on several processes, each with its share of every batch: ddp_gloo.py [--processes 2] [--steps 20].

torch's DistributedDataParallel averages the gradients over gloo; those of the convolutions are clconv's. They are the same bits in
every run, so the digest that is printed at the end is too.
"""
import argparse
import hashlib
import os
import tempfile

import torch
import torch.multiprocessing
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

BATCH = 4


def network(whole_numbers):
    nn = torch.nn
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1, padding_mode="replicate"), nn.ReLU(), nn.Conv3d(4, 4, 3, stride=2, padding=1),
                        nn.ReLU(), nn.ConvTranspose3d(4, 1, 2, 2))
    if whole_numbers:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.randint(-1, 2, parameter.shape))
    return net


def batch(step, whole_numbers):
    generator = torch.Generator().manual_seed(step)
    x = torch.randint(-2, 3, (BATCH, 1, 8, 8, 8), generator=generator).float()
    return (x, x.flip(2)) if whole_numbers else (x + torch.randn(x.shape, generator=generator), x)


def loss_of(made, target, processes, whole_numbers):
    """A mean over the batch, which the average over processes is too; or, to be exact in any order, a sum of whole numbers."""
    return (made * target).sum() * processes if whole_numbers else functional.mse_loss(made, target)


def work(rank, processes, folder, steps, whole_numbers):
    """One process of several; the first one keeps the gradients of the first step, the losses and the trained parameters."""
    import clconv.torch

    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=processes)
    net = DistributedDataParallel(clconv.torch.replace_conv3d(network(whole_numbers)))
    optimizer, losses, gradients = torch.optim.SGD(net.parameters(), 0.05), [], []
    for step in range(steps):
        x, target = (t.tensor_split(processes)[rank] for t in batch(step, whole_numbers))
        optimizer.zero_grad()
        loss = loss_of(net(x), target, processes, whole_numbers)
        loss.backward()
        gradients = gradients or [p.grad.clone() for p in net.parameters()]
        optimizer.step()
        losses.append(loss.item())
    if rank == 0:
        torch.save({"gradients": gradients, "losses": losses, "parameters": [p.detach() for p in net.parameters()]},
                   os.path.join(folder, "made.pt"))
    torch.distributed.destroy_process_group()


def train(processes, steps, whole_numbers=False):
    # Each process has threads of PoCL's; together as many as there are cores.
    os.environ.setdefault("POCL_MAX_PTHREAD_COUNT", str(max(1, (os.cpu_count() or 1) // processes)))
    with tempfile.TemporaryDirectory() as folder:
        if processes == 1:
            work(0, 1, folder, steps, whole_numbers)
        else:
            torch.multiprocessing.spawn(work, (processes, folder, steps, whole_numbers), processes)
        return torch.load(os.path.join(folder, "made.pt"))


def digest(tensors):
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors)).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    made = train(options.processes, options.steps)
    print(f"loss {made['losses'][0]:.6f} at first, {made['losses'][-1]:.6f} after {options.steps} steps")
    print(f"parameters {digest(made['parameters'])}")


if __name__ == "__main__":
    main()
