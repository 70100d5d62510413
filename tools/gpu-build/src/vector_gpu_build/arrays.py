"""Products of matrices and the largest of their rows, with NumPy or PyTorch.

An engine has arrays of its own ("there", on its device).  Scores are
2 <x, y> - bias(y): with bias |y|^2, the largest is the nearest."""

import numpy as np

from .errors import BuildFailed


class Numpy:
    name = "NumPy on the CPU"

    def __init__(self, memory):
        self.memory = memory or 1 << 30

    def put(self, x):
        return np.ascontiguousarray(x, np.float32)

    def get(self, x):
        return np.asarray(x)

    def scores(self, x, y, bias):
        s = x @ y.T
        s *= 2
        s -= bias
        return s

    def norms2(self, x):
        return np.einsum("ij,ij->i", x, x)

    def best(self, scores, k):
        """Values and places of the k largest of each row, in no order."""
        if k >= scores.shape[1]:
            at = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        else:
            at = np.argpartition(scores, -k, axis=1)[:, -k:]
        return np.take_along_axis(scores, at, 1), at

    def join(self, arrays):
        return np.concatenate(arrays, axis=1)

    def pick(self, x, at):
        return np.take_along_axis(x, at, 1)

    def sums(self, x, labels, k):
        """Sum and number of the rows with each label."""
        order = np.argsort(labels, kind="stable")
        found, first = np.unique(labels[order], return_index=True)
        total = np.zeros((k, x.shape[1]), np.float32)
        total[found] = np.add.reduceat(x[order], first, axis=0)
        return total, np.bincount(labels, minlength=k)


class Torch:
    def __init__(self, device, memory):
        try:
            import torch
        except ImportError:
            raise BuildFailed(f"--device {device} needs PyTorch: pip install 'vector-gpu-build[torch]'") from None
        self.torch, self.device = torch, torch.device(device)
        if self.device.type == "cuda":
            if not torch.cuda.is_available():
                raise BuildFailed("PyTorch finds no CUDA device: --device cpu")
            self.name = f"PyTorch on {torch.cuda.get_device_name(self.device)}"
            self.memory = memory or int(torch.cuda.mem_get_info(self.device)[0] * .7)
            # products in TF32: 10 bits of mantissa, sums in float32
            torch.set_float32_matmul_precision("high")
        else:
            self.name = f"PyTorch on {device}"
            self.memory = memory or 1 << 30

    def put(self, x):
        return self.torch.from_numpy(np.require(x, requirements=["C", "W"])).to(self.device)

    def get(self, x):
        return x.cpu().numpy()

    def scores(self, x, y, bias):
        return self.torch.addmm(-bias[None, :], x, y.T, alpha=2)

    def norms2(self, x):
        return (x * x).sum(1)

    def best(self, scores, k):
        return self.torch.topk(scores, min(k, scores.shape[1]), dim=1, sorted=False)

    def join(self, arrays):
        return self.torch.cat(list(arrays), dim=1)

    def pick(self, x, at):
        return self.torch.gather(x, 1, at)

    def sums(self, x, labels, k):
        total = self.torch.zeros((k, x.shape[1]), device=self.device)
        total.index_add_(0, labels, x)
        return self.get(total), self.get(self.torch.bincount(labels, minlength=k))


def engine(device, memory=0):
    """The engine for --device: cuda, cuda:1, cpu (PyTorch), numpy, or auto."""
    if device == "numpy":
        return Numpy(memory)
    if device == "auto":
        try:
            import torch
            return Torch("cuda", memory) if torch.cuda.is_available() else Numpy(memory)
        except ImportError:
            return Numpy(memory)
    return Torch(device, memory)
