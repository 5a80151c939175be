"""How high the sun stands, to tell day from night."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.float64]


def elevation_deg(moments: pd.DatetimeIndex, latitude: Numbers, longitude: Numbers) -> Numbers:
    """Height of the sun above the horizon in degrees, good to about half a degree; refraction is left out.

    Source: NOAA Global Monitoring Laboratory, General Solar Position Calculations (fractional year, equation of time,
    declination; the series are Spencer's of 1971).

    Args:
        moments: times in UTC.
        latitude: degrees, north positive.
        longitude: degrees, east positive.
    """
    minutes = np.asarray(moments.hour * 60 + moments.minute + moments.second / 60, dtype=np.float64)
    days = np.where(moments.is_leap_year, 366, 365)
    year = 2 * np.pi / days * (np.asarray(moments.day_of_year) - 1 + (minutes / 60 - 12) / 24)
    equation_of_time = 229.18 * (
        0.000075 + 0.001868 * np.cos(year) - 0.032077 * np.sin(year)
        - 0.014615 * np.cos(2 * year) - 0.040849 * np.sin(2 * year)
    )  # fmt: skip
    declination = (
        0.006918 - 0.399912 * np.cos(year) + 0.070257 * np.sin(year) - 0.006758 * np.cos(2 * year)
        + 0.000907 * np.sin(2 * year) - 0.002697 * np.cos(3 * year) + 0.00148 * np.sin(3 * year)
    )  # fmt: skip
    hour_angle = np.radians((minutes + equation_of_time + 4 * longitude) / 4 - 180)
    north = np.radians(latitude)
    height = np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(hour_angle)
    degrees: Numbers = np.degrees(np.arcsin(np.clip(height, -1, 1)))
    return degrees
