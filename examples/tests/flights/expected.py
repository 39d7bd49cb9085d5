"""Expected figures of the `flights` example, computed with pandas.

    pip install pandas pyarrow
    python expected.py DATA_DIR expected.json

Independent of the Rust code: no Polars here. Every comment starting with DEF
is a definition that the Rust code follows. Means are plain arithmetic means
over the rows of the group; shares are fractions between 0 and 1. A mean over
no row is null in the JSON (never NaN).
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

BAD_VISIB = 3.0  # miles, exclusive upper bound
HEAVY_PRECIP = 0.1  # inches per hour, exclusive lower bound
MAX_WIND = 200.0  # mph; above this a reading is an error


def num(x):
    """JSON number at full precision; NaN and NA become null."""
    return None if pd.isna(x) else float(x)


def rows(frame):
    out = []
    for record in frame.to_dict("records"):
        for key, value in record.items():
            if isinstance(value, (float, np.floating)) or value is pd.NA:
                record[key] = num(value)
            elif isinstance(value, np.integer):
                record[key] = int(value)
        out.append(record)
    return out


def main(data, target):
    # DEF null: the text NA in the CSV files and null in the Parquet files.
    # Nothing else (an airport code or a name is never NA).
    csv = dict(keep_default_na=False, na_values=["NA"])
    airlines = pd.read_csv(data / "airlines.csv", **csv)
    airports = pd.read_csv(data / "airports.csv", **csv)
    planes = pd.read_csv(data / "planes.csv", **csv)
    flights = pd.read_parquet(data / "flights.parquet")
    weather = pd.read_parquet(data / "weather.parquet")
    assert airlines["carrier"].is_unique and airports["faa"].is_unique
    assert planes["tailnum"].is_unique
    # DEF weather key: (origin, time_hour), unique. The local key (origin, year,
    # month, day, hour) is not: clocks go back on 2013-11-03, hour 1 is there twice.
    assert not weather.duplicated(["origin", "time_hour"]).any()

    # DEF flown: dep_delay and arr_delay both present.
    # DEF cancelled: dep_time missing.
    # DEF dropped: all - flown. DEF not_arrived: dropped - cancelled (left the
    # gate, but no arr_delay: diverted).
    flown = flights[flights["dep_delay"].notna() & flights["arr_delay"].notna()].copy()
    cancelled = int(flights["dep_time"].isna().sum())
    clean = {
        "all": len(flights),
        "flown": len(flown),
        "dropped": len(flights) - len(flown),
        "cancelled": cancelled,
        "not_arrived": len(flights) - len(flown) - cancelled,
    }
    # DEF late: dep_delay > 15 minutes.
    flown["late"] = (flown["dep_delay"] > 15).astype(float)

    # DEF carriers: flown flights by carrier, with the airline's name. Order:
    # mean_dep_delay descending, then name.
    carriers = (
        flown.groupby("carrier")
        .agg(
            flights=("dep_delay", "size"),
            mean_dep_delay=("dep_delay", "mean"),
            mean_arr_delay=("arr_delay", "mean"),
            share_late=("late", "mean"),
        )
        .reset_index()
        .merge(airlines, on="carrier", how="left", validate="one_to_one")
        .sort_values(["mean_dep_delay", "name"], ascending=[False, True])
    )
    assert carriers["name"].notna().all()
    carriers = carriers[
        ["carrier", "name", "flights", "mean_dep_delay", "mean_arr_delay", "share_late"]
    ]

    # DEF hourly: flown flights by `hour` (the scheduled departure's local hour).
    # Order: hour ascending. Hours without a flown flight have no row.
    hourly = (
        flown.groupby("hour")
        .agg(
            flights=("dep_delay", "size"),
            mean_dep_delay=("dep_delay", "mean"),
            share_late=("late", "mean"),
        )
        .reset_index()
        .sort_values("hour")
    )

    # DEF age: 2013 - the plane's `year` (made), by tailnum. Flights without a
    # row in planes (no_plane) or whose plane has no year (no_year) are left out.
    made = planes[["tailnum", "year"]].rename(columns={"year": "made"})
    made["known"] = True
    flown = flown.merge(made, on="tailnum", how="left", validate="many_to_one")
    flown["age"] = 2013 - flown["made"]
    no_plane = int(flown["known"].isna().sum())
    no_year = int(flown["age"].isna().sum()) - no_plane
    # DEF age buckets: whole years, bounds inclusive, youngest first.
    buckets = []
    for label, low, high in [
        ("0-4", 0, 4), ("5-9", 5, 9), ("10-14", 10, 14), ("15-19", 15, 19), ("20+", 20, 999),
    ]:
        part = flown[(flown["age"] >= low) & (flown["age"] <= high)]
        buckets.append({
            "bucket": label,
            "flights": len(part),
            "mean_dep_delay": num(part["dep_delay"].mean()),
            "mean_arr_delay": num(part["arr_delay"].mean()),
        })
    assert sum(b["flights"] for b in buckets) + no_plane + no_year == len(flown)

    # DEF weather join: flown flights left join weather on (origin, time_hour),
    # many to one. matched / unmatched: with / without a weather row.
    # DEF wind: wind_speed above 200 mph counts as missing (one row in the file).
    observed = weather[["origin", "time_hour", "wind_speed", "precip", "visib"]].copy()
    bad_wind = observed["wind_speed"] > MAX_WIND
    observed.loc[bad_wind, "wind_speed"] = np.nan
    observed["seen"] = True
    flown = flown.merge(
        observed, on=["origin", "time_hour"], how="left", validate="many_to_one"
    )
    assert len(flown) == clean["flown"]
    seen = flown[flown["seen"].notna()]
    assert seen["visib"].notna().all() and seen["precip"].notna().all()

    def band(label, part):
        return {
            "band": label,
            "flights": len(part),
            "mean_dep_delay": num(part["dep_delay"].mean()),
        }

    # DEF visibility bands (miles): lower bound inclusive, upper exclusive.
    visibility = [
        band(label, seen[(seen["visib"] >= low) & (seen["visib"] < high)])
        for label, low, high in [
            ("<1", 0, 1), ("1-3", 1, 3), ("3-6", 3, 6), ("6-10", 6, 10), (">=10", 10, np.inf),
        ]
    ]
    # DEF precipitation bands (inches in the hour): none = 0, light = above 0 up
    # to and including 0.1, heavy = above 0.1.
    precipitation = [
        band("none", seen[seen["precip"] == 0]),
        band("light", seen[(seen["precip"] > 0) & (seen["precip"] <= HEAVY_PRECIP)]),
        band("heavy", seen[seen["precip"] > HEAVY_PRECIP]),
    ]
    for bands in (visibility, precipitation):
        assert sum(b["flights"] for b in bands) == len(seen)

    # DEF correlation: Pearson's r over matched flights where both are present;
    # each flight is one observation; n counts them.
    def pearson(column):
        pairs = seen[["dep_delay", column]].dropna()
        return {
            "n": len(pairs),
            "r": num(pairs["dep_delay"].astype(float).corr(pairs[column].astype(float))),
        }

    delays_by_weather = {
        "matched": len(seen),
        "unmatched": len(flown) - len(seen),
        "wind_errors": int(bad_wind.sum()),
        "visibility": visibility,
        "precipitation": precipitation,
        "wind_speed": pearson("wind_speed"),
        "visib": pearson("visib"),
    }

    # DEF routes: flown flights by dest (the code: names are not unique in
    # airports), left join airports on faa. Order: flights descending, then dest.
    routes = (
        flown.groupby("dest")
        .agg(
            flights=("dep_delay", "size"),
            mean_arr_delay=("arr_delay", "mean"),
            mean_distance=("distance", "mean"),
        )
        .reset_index()
        .merge(
            airports[["faa", "name"]].rename(columns={"faa": "dest"}),
            on="dest", how="left", validate="one_to_one",
        )
        .sort_values(["flights", "dest"], ascending=[False, True])
    )[["dest", "name", "flights", "mean_arr_delay", "mean_distance"]]
    # DEF unnamed: destinations without a row in airports, same order.
    unnamed = routes[routes["name"].isna()][["dest", "flights"]]
    top_routes = routes.head(10)
    assert top_routes["name"].notna().all()

    # DEF report: flown flights by (airline name, origin).
    # with_age / mean_age: flights whose aircraft's age is known, and the mean of
    # the age over those flights (null when there is none).
    # with_weather / share_bad_weather: flights with a weather row, and the
    # fraction of those with visib < 3 or precip > 0.1.
    # total_delay: sum of the positive dep_delay, in minutes.
    # Order: total_delay descending, then name, then origin.
    flown = flown.merge(airlines, on="carrier", how="left", validate="many_to_one")
    flown["delay"] = flown["dep_delay"].clip(lower=0)
    flown["bad"] = np.where(
        flown["seen"].notna(),
        (flown["visib"] < BAD_VISIB) | (flown["precip"] > HEAVY_PRECIP),
        np.nan,
    ).astype(float)
    report = (
        flown.groupby(["name", "origin"])
        .agg(
            flights=("dep_delay", "size"),
            total_delay=("delay", "sum"),
            mean_dep_delay=("dep_delay", "mean"),
            with_age=("age", "count"),
            mean_age=("age", "mean"),
            with_weather=("bad", "count"),
            share_bad_weather=("bad", "mean"),
        )
        .reset_index()
        .rename(columns={"name": "airline"})
        .sort_values(["total_delay", "airline", "origin"], ascending=[False, True, True])
    )
    report["total_delay"] = report["total_delay"].astype("int64")

    result = {
        "tables": {
            "airlines": len(airlines), "airports": len(airports), "planes": len(planes),
            "weather": len(weather), "flights": len(flights),
        },
        "clean": clean,
        "carriers": rows(carriers),
        "hourly": rows(hourly),
        "age": {"no_plane": no_plane, "no_year": no_year, "buckets": buckets},
        "weather": delays_by_weather,
        "routes": {
            "destinations": len(routes), "unnamed": rows(unnamed), "top": rows(top_routes),
        },
        # The ten first rows are the report; report_all has every group.
        "report": rows(report.head(10)),
        "report_all": rows(report),
    }
    target.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
