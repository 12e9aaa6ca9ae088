"""glucose: a continuous glucose monitor's readings in mg/dL, every 5 minutes with jitter and gaps.

From bokeh-sampledata, public domain.
"""

from data.sources.columns import readings
from data.sources.csv import read_csv
from data.sources.package import locate
from data.stored import Dataset

SHA256 = "91fdad8325541a4487d88cb59b2fc9f6ed821c7c01eaabed0606bbb7089be8de"


def rows(name: str) -> Dataset:
    """`time`, `value` (mg/dL), `series`: 52,281 rows, March to October 2010."""
    table = read_csv(locate("bokeh_sampledata", "_data/CGM.csv.gz", SHA256))
    columns = readings(table, name, time="datetime", value="glucose")
    return Dataset({"notes": []}, {"rows": columns})
