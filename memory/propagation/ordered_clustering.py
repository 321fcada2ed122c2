"""Merges tokens down to a given number, in order of time: Ward's method with a price on lost rarity and lost time.

The two tokens that are cheapest to merge become one, again and again, until few enough are left. Ours; the published
relatives are Ward's method (1963), whose price this is at ``rarity`` 1 and ``time`` 0, and Flash-VStream's ordered
weighted k-means, which restarts all clusters at every step. Here a token that is not merged stays as it is, to the bit,
so nothing vanishes at once; docs/adr/0015 compares the two, and merging only neighbours in time.

Deterministic whatever the number of threads: sums go through `numpy.einsum`, which calls no threaded library, and equal
prices go to the pair that stands first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memory.records import F64


@dataclass(frozen=True, slots=True)
class Prices:
    """What merging tokens i and j costs: (m_i m_j / (m_i + m_j)) ** rarity * (|x_i - x_j|^2 + time * V * (t / T)^2).

    m are occupancies, x the tokens, t the seconds between them, T the seconds between the first and the last token, V
    the occupancy-weighted variance of all tokens.

    Attributes:
        rarity: 1 is Ward's: what was seen briefly is cheap to lose. At 0 nothing protects what was seen long.
        time: how much tokens far apart in time are kept apart although they look alike.
    """

    rarity: float = 0.25
    time: float = 3.0


@dataclass(slots=True)
class Weighted:
    """Tokens to be merged, in order of time: rows [n, D], mass [n] > 0, places [n, 3] with the time (s) first."""

    rows: F64
    mass: F64
    places: F64

    @classmethod
    def in_order(cls, rows: F64, mass: F64, places: F64) -> Weighted:
        """Sorted by time; equal times keep their order."""
        order = np.argsort(places[:, 0], kind="stable")
        return cls(rows[order], mass[order], places[order])


def merged(tokens: Weighted, size: int, prices: Prices) -> Weighted:
    """At most `size` tokens: means weighted by occupancy, in order of their mean time; masses add up. What is not
    merged is handed on unchanged. O(n^2 (D + n - size))."""
    surplus = len(tokens.rows) - size
    if surplus <= 0:
        return tokens
    rows, mass, places = tokens.rows.copy(), tokens.mass.copy(), tokens.places.copy()
    apart = _apart(tokens, prices.time)
    price = apart * _exposed(mass[:, None], mass[None], prices.rarity)
    price[np.tril_indices(len(rows))] = np.inf  # each pair once, and nothing with itself
    alive = np.ones(len(rows), dtype=bool)
    for _ in range(surplus):
        keep, lose = np.unravel_index(np.argmin(price), price.shape)
        together = mass[keep] + mass[lose]
        share = mass[keep] / together
        # The squared distance to a weighted mean, from the distances to what it is the mean of.
        apart[keep] = share * apart[keep] + (1 - share) * apart[lose] - share * (1 - share) * apart[keep, lose]
        apart[:, keep] = apart[keep]
        rows[keep] = share * rows[keep] + (1 - share) * rows[lose]
        places[keep] = share * places[keep] + (1 - share) * places[lose]
        mass[keep], alive[lose] = together, False
        fresh = np.where(alive, apart[keep] * _exposed(mass[keep], mass, prices.rarity), np.inf)
        price[lose], price[:, lose] = np.inf, np.inf
        price[keep, keep + 1 :], price[:keep, keep] = fresh[keep + 1 :], fresh[:keep]
    return Weighted.in_order(rows[alive], mass[alive], places[alive])


def _exposed(mass: F64 | np.float64, other: F64, rarity: float) -> F64:
    return np.asarray((mass * other / (mass + other)) ** rarity, dtype=np.float64)


def _apart(tokens: Weighted, time: float) -> F64:
    """[n, n]: squared distances in what tokens show, and in time on the scale of what they show."""
    share = tokens.mass / tokens.mass.sum()
    centred = tokens.rows - np.einsum("i,id->d", share, tokens.rows)
    squares = np.einsum("id,id->i", centred, centred)
    looks = squares[:, None] + squares[None] - 2 * np.einsum("id,jd->ij", centred, centred)
    when = tokens.places[:, 0]
    lasted = max(float(when[-1] - when[0]), 1e-9)
    times = ((when[:, None] - when[None]) / lasted) ** 2
    variance = float(np.einsum("i,i->", share, squares))
    return np.asarray(np.maximum(looks, 0.0) + time * variance * times, dtype=np.float64)
