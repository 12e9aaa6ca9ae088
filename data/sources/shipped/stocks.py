"""stocks: daily adjusted closes of five tickers in US dollars, 2000 to 2013 (Quandl WIKI Prices).

From bokeh-sampledata, public domain.
"""

from data.sources.columns import readings
from data.sources.csv import read_csv
from data.sources.package import locate
from data.stored import Dataset

SHA256 = "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd"


def rows(name: str) -> Dataset:
    """`time`, `value` (adjusted close), `series` (ticker): 12,154 rows."""
    table = read_csv(locate("bokeh_sampledata", "_data/stocks.csv.gz", SHA256))
    columns = readings(table, name, time="Date", value="Adj Close", series="Ticker")
    note = "closes are adjusted for splits and dividends: a step is a return, not a bookkeeping one"
    return Dataset({"notes": [note]}, {"rows": columns})
