from __future__ import annotations

from collections.abc import Iterator

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from memory.index.numpy_index import NumpyIndex
from memory.index.scores import exact_scores
from memory.records import F32, KeyedSpan, TimeSpan
from memory.retrieval import scan
from memory.retrieval.retriever import LocalRetriever, RetrievalRequest
from memory.retrieval.scan import CODED_FROM, KeyScanner, exact_products
from memory.retrieval.selection import Order
from tests.memory.retrieval.retrieval_oracle import KeysOnly, evidence, hits

NAN = float("nan")
KINDS = ("seen", "text")


@pytest.fixture(autouse=True)
def _tried_anew() -> Iterator[None]:
    exact_products.cache_clear()
    yield
    exact_products.cache_clear()


def scores(scanner: KeyScanner, rows: F32, vector: F32) -> tuple[F32, float]:
    """Every row's product, and the margin."""
    scan = scanner.scan(rows, vector)
    assert scan.held.sum() >= len(rows)
    assert (rows[scan.first[scan.which]].view(np.int32) == rows.view(np.int32)).all()  # NaN is NaN
    return scan.products[scan.which], scan.margin


def some(count: int, dim: int, seed: int) -> F32:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float16).astype(np.float32)


@given(st.integers(0, 99), st.integers(1, 40), st.sampled_from([1e-3, 1.0, 60.0]), st.booleans())
@settings(deadline=None, max_examples=30)
def test_no_product_is_further_off_than_the_margin_says(seed: int, dim: int, size: float, coded: bool) -> None:
    rows, vector = some(300, dim, seed), some(1, dim, seed + 1)[0]
    rows[::7] *= size
    rows[3] = 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scan, "CODED_FROM", 16 if coded else CODED_FROM)
        scanner = KeyScanner(dim)
        for count in (10, 100, 300):
            values, margin = scores(scanner, rows[:count], vector)
            assert np.abs(values - exact_scores(rows[:count], vector)).max() < margin
        assert margin < (0.02 if coded else 1e-4) * np.linalg.norm(vector) * np.linalg.norm(rows, axis=1).max() + 1e-20
        values, _ = scores(scanner, rows[:50], np.zeros(dim, np.float32))  # fewer rows again, and nothing asked
        assert values.tolist() == [0.0] * 50


def test_equal_rows_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "CODED_FROM", 16)
    multiplied = []

    def products(codes: scan.I8, query: scan.I8) -> npt.NDArray[np.int32]:
        multiplied.append(len(codes))
        return codes.astype(np.int32) @ query.astype(np.int32)

    monkeypatch.setattr(scan, "_products", products)
    assert exact_products(8)
    different, vector = some(20, 8, 0), some(1, 8, 1)[0]
    rows = different[np.random.default_rng(2).integers(0, 20, 300)]
    scanner = KeyScanner(8)
    for count in (50, 300):  # more rows, of which some are known
        values, margin = scores(scanner, rows[:count], vector)
        assert np.abs(values - exact_scores(rows[:count], vector)).max() < margin
    assert multiplied[-1] == len(np.unique(rows, axis=0))


@pytest.mark.parametrize("coded_from", [16, CODED_FROM])
def test_what_is_not_a_number_stays_none(monkeypatch: pytest.MonkeyPatch, coded_from: int) -> None:
    monkeypatch.setattr(scan, "CODED_FROM", coded_from)
    rows = some(40, 8, 0)
    rows[5, 2], rows[6, 3] = NAN, np.inf
    values, margin = scores(KeyScanner(8), rows, np.ones(8, np.float32))
    assert np.flatnonzero(~np.isfinite(values)).tolist() == [5, 6]
    assert np.isfinite(margin)
    assert not np.isfinite(scores(KeyScanner(8), rows, np.full(8, NAN, np.float32))[0]).any()


def test_where_integers_are_not_multiplied_exactly_rows_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, vector = some(CODED_FROM, 8, 0), some(1, 8, 1)[0]
    monkeypatch.setattr(scan, "_products", lambda codes, query: codes.astype(np.int32) @ query.astype(np.int32))
    assert exact_products(8)
    coded, by_codes = scores(KeyScanner(8), rows, vector)
    monkeypatch.setattr(scan, "_products", lambda codes, query: (codes @ query).astype(np.int32))  # 8 bits: wraps
    exact_products.cache_clear()
    assert not exact_products(8)
    values, margin = scores(KeyScanner(8), rows, vector)
    assert 0 < margin < by_codes / 100
    assert np.abs(values - coded).max() < by_codes + margin


def test_a_video_without_keys_needs_no_integer_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_products", lambda codes, query: pytest.fail("multiplied"))
    values, margin = scores(KeyScanner(8), some(0, 8, 0), some(1, 8, 1)[0])
    assert values.shape == (0,)
    assert np.isfinite(margin)


def long_video(seed: int) -> list[KeyedSpan]:
    """Cubes of none to five keys, some of them the same as others, more than `CODED_FROM` keys together."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((40, 24))
    cubes = []
    for ordinal in range(2200):
        count = int(chance.integers(0, 6))
        keys = centres[chance.integers(0, 40, count)] + chance.choice([0.0, 0.3], (count, 1)) * chance.standard_normal(
            (count, 24)
        )
        keys /= np.maximum(np.linalg.norm(keys, axis=1, keepdims=True), 1e-9)
        span = TimeSpan(2.0 * ordinal, 2.0 * ordinal + float(chance.choice([0.4, 2.0])))
        cubes.append(KeyedSpan(ordinal, span, keys.astype(np.float16), tuple(chance.choice(KINDS, count))))
    return cubes


CUBES = long_video(0)


@pytest.mark.parametrize("order", ["score", "first", "last"])
@pytest.mark.parametrize("span", [None, TimeSpan(900.0, 3000.0)])
@pytest.mark.parametrize("threshold", [0.1, 0.6])
def test_a_long_video_is_searched_as_if_every_key_were_scored(
    order: Order, span: TimeSpan | None, threshold: float
) -> None:
    retriever = LocalRetriever(KeysOnly({"v": CUBES}), NumpyIndex(24))  # type: ignore[arg-type]
    assert sum(len(cube.key_kinds) for cube in CUBES) > CODED_FROM
    for asked, limit in zip(some(3, 24, 5), (1, 17, 64), strict=True):
        vector = asked / np.linalg.norm(asked)
        retrieval = retriever.retrieve("v", RetrievalRequest(vector, threshold, span, None, limit, 1.5, order))
        every = hits(vector, "v", CUBES, span)
        assert retrieval.evidence == evidence(every, threshold, 1.5)
        supported = [hit for hit in every if hit.score >= threshold]
        edge = {"score": [], "first": supported[: limit // 2], "last": supported[::-1][: limit // 2]}[order]
        rest = sorted((hit for hit in every if hit not in edge), key=lambda hit: (-hit.score, hit.span))
        assert list(retrieval.hits) == sorted([*edge, *rest[: limit - len(edge)]], key=lambda hit: hit.span)
