"""sea_temperature: half-hourly readings of buoy B01, Western Maine Shelf, in °C (NERACOOS).

From bokeh-sampledata, free to use and redistribute.
"""

from data.sources.columns import readings
from data.sources.csv import read_csv
from data.sources.package import locate
from data.stored import Dataset

SHA256 = "529155ac773634b0dca439781a839487640db92e2bdb597e372a2b0ba0ffbff0"


def rows(name: str) -> Dataset:
    """`time` (UTC), `value` (°C), `series`: 19,226 rows, February 2016 to March 2017."""
    path = locate("bokeh_sampledata", "_data/sea_surface_temperature.csv.gz", SHA256)
    columns = readings(read_csv(path), name, "time (UTC)", "temperature (celsius)")
    return Dataset({"notes": []}, {"rows": columns})
