"""A made-up airline market: airports, flight plan, fleets, weather, and what makes a flight late.

Everything is drawn from NumPy generators with fixed seeds. The chance that a flight is late is an
explicit function of columns that are known before departure (`log_odds`), so the best AUC that
any model can reach on these data is known. Carriers and their punctuality are invented; the airport
codes are real ones, their traffic and weather are not.

Units: minutes, miles, knots, kilometres of visibility, mm/h of rain, cm/h of snow, degrees Celsius.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]

CARRIERS = ("A4", "B8", "C5", "D3", "E9", "F2", "G6", "H1", "J7", "K4", "L8", "M5", "N3", "P9")
AIRPORTS = tuple(
    re.findall(
        r"\w{3}",
        "ATL ORD DFW DEN LAX IAH PHX LAS DTW SFO SLC MSP EWR MCO CLT BOS LGA JFK SEA BWI PHL SAN "
        "CVG MDW DCA TPA IAD FLL CLE STL MIA PDX MCI OAK SMF HOU SJC MEM BNA RDU SNA AUS IND SAT "
        "MSY ABQ PIT CMH HNL DAL ONT BDL BUR MKE JAX BUF OMA TUS RNO PVD OKC ANC ORF TUL BHM RSW "
        "ELP GRR BOI RIC SDF ALB GEG DAY LIT MHT ROC PBI SYR TYS DSM GSO XNA PSP CHS ICT MSN SAV "
        "COS FAT CAE PWM LBB CAK GSP MAF BTV JAN HSV LEX MLI FSD AVL BTR PNS CID SHV AMA CRP SBA "
        "BIL MYR MOB GPT FAR HRL ",
    )
)
LEGS, TAILS = 6_000, 4_000
LATE_MINUTES = 15


@dataclass(frozen=True)
class World:
    """What stays the same over the year; arrays are indexed by airport, leg, tail or carrier."""

    north: Floats  # (airports,) 0 = far south, 1 = far north
    crowd: Floats  # (airports,) 0 = quiet field, 1 = the busiest hub
    airport_effect: Floats  # (airports,) log odds
    carrier_effect: Floats  # (carriers,) log odds
    leg_carrier: Ints
    leg_origin: Ints
    leg_dest: Ints
    leg_number: Ints
    leg_distance: Floats
    leg_elapsed: Ints
    leg_chance: Floats  # (legs,) cumulative share of all flights
    tail_first: Ints  # (carriers,) first tail of the carrier's fleet
    tail_count: Ints  # (carriers,)
    tail_built: Ints  # (tails,) year
    tail_seats: Ints  # (tails,)


def _skewed(rng: np.random.Generator, count: int, power: float) -> Floats:
    share = np.arange(1, count + 1) ** -power * rng.uniform(0.8, 1.25, count)
    return np.asarray(share / share.sum(), dtype=np.float64)


def build_world(seed: int) -> World:
    """Return the market of a seed: about 120 airports with skewed traffic and 14 carriers."""
    rng = np.random.default_rng([seed, 0])
    fields, carriers = len(AIRPORTS), len(CARRIERS)
    traffic, market = _skewed(rng, fields, 0.8), _skewed(rng, carriers, 0.6)
    east, north = rng.uniform(0, 1, fields), rng.uniform(0, 1, fields)
    origin = rng.choice(fields, LEGS, p=traffic)
    hop = (rng.choice(fields, LEGS, p=traffic) - origin) % fields
    dest = (origin + np.where(hop == 0, 1, hop)) % fields
    distance = 90 + np.hypot(
        2_300 * (east[origin] - east[dest]), 1_100 * (north[origin] - north[dest])
    )
    chance = rng.gamma(1.5, size=LEGS)
    fleet = np.maximum(1, np.floor(market * TAILS)).astype(np.int64)
    tails = int(fleet.sum())
    return World(
        north=north,
        crowd=traffic / traffic.max(),
        airport_effect=rng.normal(0, 0.36, fields),
        carrier_effect=rng.normal(0, 0.35, carriers),
        leg_carrier=rng.choice(carriers, LEGS, p=market),
        leg_origin=origin,
        leg_dest=dest,
        leg_number=rng.permutation(LEGS) + 1,
        leg_distance=np.round(distance),
        leg_elapsed=np.round(38 + distance / 7.6 + rng.normal(0, 5, LEGS)).astype(np.int64),
        leg_chance=np.cumsum(chance / chance.sum()),
        tail_first=np.concatenate([[0], np.cumsum(fleet)[:-1]]),
        tail_count=fleet,
        tail_built=rng.integers(1996, 2025, tails),
        tail_seats=rng.choice([50, 76, 120, 150, 180, 220], tails),
    )


def _spell(rng: np.random.Generator, fields: int, hours: int) -> Floats:
    """Return (fields, hours) of a unit-variance process that lasts for days, linear in between."""
    days = hours // 24 + 1
    level = rng.standard_normal((fields, days))
    for today in range(1, days):
        level[:, today] = 0.6 * level[:, today - 1] + 0.8 * level[:, today]
    clock = np.arange(hours) / 24
    day, part = clock.astype(np.int64), clock % 1
    return level[:, day] * (1 - part) + level[:, day + 1] * part


def weather(world: World, rng: np.random.Generator, day_of_year: int, hours: int) -> Columns:
    """Return the weather of every airport and hour, each column of shape (airports * hours,).

    NaN where a station was silent (about 1.5 % of the hours) or had no visibility meter (2 % more).
    """
    shape = fields, _ = len(AIRPORTS), hours
    clock = np.arange(hours)
    season = np.cos(2 * np.pi * (day_of_year + clock / 24 - 200) / 365)
    north = world.north[:, None]
    temperature = (
        (24 - 16 * north)
        + (6 + 10 * north) * season
        + 4 * _spell(rng, fields, hours)
        + 4 * np.cos(2 * np.pi * (clock % 24 - 15) / 24)
    )
    storm = _spell(rng, fields, hours) + 0.45 * rng.standard_normal(shape)
    water = np.maximum(0, storm - 0.9) * rng.exponential(2.4, shape)
    frozen = temperature < 1
    wind = 9 * np.exp(0.45 * _spell(rng, fields, hours) + 0.25 * np.maximum(storm, 0))
    fog = (clock % 24 < 9) * np.maximum(0, rng.standard_normal(shape) - 1.2) * 7
    snow = np.where(frozen, water * 0.9, 0)
    table = {
        "temperature": temperature,
        "wind_speed": wind,
        "wind_gust": wind * rng.uniform(1.1, 1.7, shape),
        "visibility": np.clip(16 - 1.6 * water - 4.5 * snow - fog, 0.2, 16),
        "precipitation": np.where(frozen, 0, water),
        "snow": snow,
        "humidity": np.clip(62 + 14 * storm + rng.normal(0, 6, shape), 8, 100),
        "pressure": 1014 - 6 * storm + rng.normal(0, 2, shape),
    }
    silent = rng.random(shape) < 0.015
    table = {name: np.round(np.where(silent, np.nan, grid), 1) for name, grid in table.items()}
    table["visibility"][rng.random(shape) < 0.02] = np.nan
    return {name: grid.ravel() for name, grid in table.items()}


def _known(values: npt.NDArray[Any], otherwise: float) -> Floats:
    return np.where(np.isnan(values), otherwise, values)


def log_odds(world: World, flight: Columns) -> Floats:
    """Return (n,) log odds that a flight arrives more than 15 minutes late.

    Reads only what a model may know before departure, as recorded: a missing value counts as an
    ordinary day, so nothing that the columns do not show has a part in it. ``origin``, ``dest``
    and ``carrier`` are indices here. Snow acts more in the south, rain and evenings at hubs.
    """
    origin, dest, hour = flight["origin"], flight["dest"], flight["hour"]
    crowd = world.crowd[origin]
    rain, snow = _known(flight["precipitation"], 0), _known(flight["snow"], 0)
    haze = np.maximum(0, 9 - _known(flight["visibility"], 16)) / 9
    wind = np.maximum(0, _known(flight["wind_gust"], 15) - 24) / 10
    incoming = np.clip(_known(flight["previous_delay"], 0), -10, 120)
    slack = flight["scheduled_elapsed"] - 38 - flight["distance"] / 7.6
    peak = np.exp(-(((hour - 18) / 3.0) ** 2))
    far_rain = _known(flight["dest_precipitation"], 0) + 1.6 * _known(flight["dest_snow"], 0)
    odds: Floats = (
        -2.9
        + 1.4 * world.carrier_effect[flight["carrier"]]
        + world.airport_effect[origin]
        + 0.6 * world.airport_effect[dest]
        + 0.065 * (hour - 6)
        + (0.35 + 0.9 * crowd) * peak
        + np.array([0.1, -0.15, -0.1, 0.2, 0.3, -0.35, 0.1])[flight["weekday"]]
        + 0.042 * np.maximum(0, incoming - 4) * (1 - 0.35 * (flight["distance"] > 1_200))
        - 0.03 * slack
        + 0.36 * np.minimum(rain, 5) * (0.6 + crowd)
        + 0.7 * np.minimum(snow, 4) * (1.4 - 0.7 * world.north[origin])
        + 0.9 * haze
        + 0.55 * wind
        + 0.20 * np.minimum(far_rain, 6)
        + 0.014 * np.maximum(0, flight["aircraft_age"] - 12)
        + 0.8 * (flight["passengers"] / flight["seats"] - 0.8)
    )
    return odds


def outcomes(rng: np.random.Generator, odds: Floats, flight: Columns) -> Columns:
    """Draw what happened: late with exactly the stated odds, cancelled by weather alone.

    Delays are NaN where a flight was cancelled. Whole minutes: a late flight has at least 16.
    """
    n = len(odds)
    chance = rng.random(n)
    latent = odds + np.log(chance / (1 - chance) + 1e-300)
    tail = 14 * np.expm1(0.5 * np.minimum(np.maximum(latent, 0), 9))
    arrival = np.ceil(LATE_MINUTES + np.where(latent > 0, tail, 7 * np.maximum(latent, -9)))
    departure = arrival + np.round(rng.normal(1, 6, n))
    severe = (
        np.nan_to_num(flight["snow"]) + np.maximum(0, np.nan_to_num(flight["wind_gust"]) - 35) / 8
    )
    cancelled = rng.random(n) < np.minimum(0.5, 0.009 + 0.03 * severe)
    return {
        "dep_delay": np.where(cancelled, np.nan, departure),
        "arr_delay": np.where(cancelled, np.nan, arrival),
        "cancelled": cancelled,
    }
