"""digits: 1,797 handwritten digits, 8×8 grey, from scikit-learn (Alpaydin and Kaynak, UCI 1998)."""

import numpy as np

from data.sources.package import locate
from data.stored import Dataset

SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"


def rows(name: str) -> Dataset:
    """`image` uint8 (1797, 8, 8, 1), `label` str. The file's 17 shades are spread to 0 to 255."""
    path = locate("sklearn", "datasets/data/digits.csv.gz", SHA256)
    table = np.loadtxt(path, delimiter=",", dtype=np.int64)
    image = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    note = "the source has 17 shades; they were spread over 0 to 255, so that a PNG means the same"
    facts = {"labels": [str(digit) for digit in range(10)], "notes": [note]}
    return Dataset(facts, {"rows": {"image": image, "label": table[:, -1].astype(str)}})
