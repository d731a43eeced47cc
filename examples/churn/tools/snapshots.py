"""Daily snapshots of customer behaviour, computed from retail transactions.

A snapshot is dated the midnight UTC after the day it summarises and knows only what happened before that midnight.
Everything here is a dense table of households (rows) by snapshots (columns), so a feature of the whole year is a few
numpy operations and the training rows and the served rows come from the same arrays.
"""

from dataclasses import dataclass

import numpy as np

FEATURES = ["orders_30d", "aov_30d", "returns_rate_30d", "time_since_last_d"]
WINDOW_DAYS = 30
CHURN_HORIZON_DAYS = 30
SECONDS_PER_DAY = 86_400
NEVER_S = np.iinfo(np.int64).min


@dataclass(frozen=True)
class DailyActivity:
    """What each household did on each UTC day: one row a household, one column a day."""

    customer_ids: np.ndarray
    first_day: np.datetime64
    baskets: np.ndarray
    sales_cents: np.ndarray
    lines: np.ndarray
    returned_lines: np.ndarray
    last_basket_s: np.ndarray

    @property
    def day_count(self):
        """The number of days covered, complete or not."""
        return self.baskets.shape[1]


@dataclass(frozen=True)
class SnapshotTable:
    """Features of every household at every snapshot; column i is the snapshot at midnight before day i."""

    customer_ids: np.ndarray
    midnights: np.ndarray
    known: np.ndarray
    orders_30d: np.ndarray
    aov_30d: np.ndarray
    returns_rate_30d: np.ndarray
    time_since_last_d: np.ndarray


def daily_activity(transactions):
    """Sum transaction lines into household-by-day tables. Money is counted in whole cents, so sums are exact."""
    customer_ids, household = np.unique(transactions["household_id"].to_numpy(), return_inverse=True)
    at_s = transactions["transaction_timestamp"].to_numpy().astype("datetime64[s]")
    day_of_line = at_s.astype("datetime64[D]")
    first_day = day_of_line.min()
    day = (day_of_line - first_day).astype(np.int64)
    shape = (len(customer_ids), int(day.max()) + 1)
    cell = household * shape[1] + day

    def tally(cells, amounts=None):
        counts = np.bincount(cells, weights=amounts, minlength=shape[0] * shape[1])
        return np.rint(counts).astype(np.int64).reshape(shape)

    _, first_line_of_basket = np.unique(transactions["basket_id"].to_numpy(), return_index=True)
    last_basket_s = np.full(shape[0] * shape[1], NEVER_S)
    np.maximum.at(last_basket_s, cell, at_s.astype(np.int64))
    return DailyActivity(
        customer_ids=customer_ids.astype(np.int64),
        first_day=first_day,
        baskets=tally(cell[first_line_of_basket]),
        sales_cents=tally(cell, np.rint(transactions["sales_value"].to_numpy() * 100)),
        lines=tally(cell),
        returned_lines=tally(cell[transactions["quantity"].to_numpy() == 0]),
        last_basket_s=last_basket_s.reshape(shape),
    )


def sum_before_midnight(per_day, window_days):
    """Sum the `window_days` days before the midnight that starts each day (fewer at the start of the year)."""
    running = np.zeros((per_day.shape[0], per_day.shape[1] + 1), dtype=np.int64)
    np.cumsum(per_day, axis=1, out=running[:, 1:])
    end = np.arange(per_day.shape[1])
    return running[:, end] - running[:, np.maximum(end - window_days, 0)]


def ratio_or_zero(numerator, denominator):
    """Divide in float64, give 0 where the denominator is 0, and cast to the float32 that is stored and served."""
    quotient = np.zeros(numerator.shape, dtype=np.float64)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient.astype(np.float32)


def snapshot_table(activity):
    """Compute the four features of every household at every midnight, from the days before it only."""
    midnights = activity.first_day + np.arange(activity.day_count)
    orders = sum_before_midnight(activity.baskets, WINDOW_DAYS)
    latest_by_end_of_day_s = np.maximum.accumulate(activity.last_basket_s, axis=1)
    latest_s = np.full_like(latest_by_end_of_day_s, NEVER_S)
    latest_s[:, 1:] = latest_by_end_of_day_s[:, :-1]
    known = latest_s != NEVER_S
    since_s = np.where(known, midnights.astype("datetime64[s]").astype(np.int64) - np.where(known, latest_s, 0), 0)
    return SnapshotTable(
        customer_ids=activity.customer_ids,
        midnights=midnights,
        known=known,
        orders_30d=orders,
        aov_30d=ratio_or_zero(sum_before_midnight(activity.sales_cents, WINDOW_DAYS), 100 * orders),
        returns_rate_30d=ratio_or_zero(
            sum_before_midnight(activity.returned_lines, WINDOW_DAYS), sum_before_midnight(activity.lines, WINDOW_DAYS)
        ),
        time_since_last_d=(since_s / SECONDS_PER_DAY).astype(np.float32),
    )


def column_at(table, day):
    """Find the column of the snapshot dated midnight UTC of `day`."""
    return int((day - table.midnights[0]).astype(int))


def feature_rows(table, column):
    """Build the float32 feature matrix of one snapshot, in FEATURES order, for the households known by then."""
    known = table.known[:, column]
    return np.column_stack([getattr(table, name)[known, column].astype(np.float32) for name in FEATURES])


def churn_labels(table, activity, column):
    """1 for a household known at the snapshot that has no basket in the 30 days after it, else 0."""
    days_ahead = slice(column, column + CHURN_HORIZON_DAYS)
    if days_ahead.stop > activity.day_count:
        raise ValueError(f"the snapshot of {table.midnights[column]} has fewer than {CHURN_HORIZON_DAYS} days after it")
    silent = activity.baskets[:, days_ahead].sum(axis=1) == 0
    return silent[table.known[:, column]].astype(np.int64)
