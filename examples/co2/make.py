"""Write the weekly CO2 readings of Mauna Loa as a table: examples/co2/data/weeks.csv."""

from pathlib import Path

from statsmodels.datasets import co2

table = Path(__file__).parent / "data" / "weeks.csv"
table.parent.mkdir(exist_ok=True)
readings = co2.load().data["co2"].dropna()  # 59 weeks were not read
readings.round(1).to_csv(table, sep=";", decimal=",", index_label="week", header=["ppm"])
