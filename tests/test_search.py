"""What a reader types into the search box of the book, and what comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.book.serve import server

QUERIES = {
    "tanh gain": "tanh_gain",
    "5/3": "tanh_gain",
    "kaiming": "kaiming",
    "dead relu": "dead_neurons",
    "dead neurons": "dead_neurons",
    "neurons die": "dead_neurons",
    "bias correction": "momentum_ema",
    "exponential moving average": "momentum_ema",
    "momentum": "momentum_ema",
    "layernorm": "normalization_family",
    "group norm": "normalization_family",
    "instance normalization": "normalization_family",
    "ghost batch": "batchnorm_regularization",
    "running averages": "batchnorm_parameters",
    "bias before batch norm": "batchnorm_parameters",
    "effective learning rate": "batchnorm_gain",
    "softmax": "cross_entropy",
    "cross-entropy": "cross_entropy",
    "hockey stick": "hockey_stick",
    "untrained classifier": "initial_loss",
    "first loss": "initial_loss",
    "weights start at zero": "zero_init",
    "symmetry": "zero_init",
    "saturated": "saturation",
    "sigmoid": "squashing",
    "residual connections": "forgiving",
    "explode or vanish": "identity_depth",
    "update to data": "update_ratio",
    "replicas": "batch_average",
    "finite differences": "batch_average",
    "marchenko": "weight_distribution",
    "trained weights": "weight_distribution",
    "loss landscape": "moving_landscape",
    "dropout mask": "moving_landscape",
    "line by line": "notes",
    "ledger": "ledger",
    "glossary": "notation",
}


@pytest.fixture(scope="module")
def page(site: Path, browser: Browser) -> Iterator[Page]:
    """The home page, served, with the search open."""
    with server(site, 0) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{served.server_port}/index.html")
        page.keyboard.press("/")
        yield page
        page.close()
        served.shutdown()


def _search(page: Page, words: str) -> None:
    page.fill("#search-input", "")
    expect(page.locator("#search-status")).to_have_text("")
    page.fill("#search-input", words)
    expect(page.locator("#search-status")).not_to_have_text("")


@pytest.mark.parametrize("words", QUERIES)
def test_the_page_that_one_means_comes_first(page: Page, words: str) -> None:
    _search(page, words)
    first = page.locator("#search-results a").first.get_attribute("href") or ""
    assert f"/{QUERIES[words]}.html" in first


@pytest.mark.parametrize("words", ["zzzz", "qwertyuiop", "gradient zzzz"])
def test_nothing_is_found_for_nonsense(page: Page, words: str) -> None:
    _search(page, words)
    expect(page.locator("#search-status")).to_have_text(f"Nothing found for “{words}”.")
    assert page.locator("#search-results a").count() == 0


def test_results_lead_to_sections(page: Page) -> None:
    _search(page, "fixed point")
    sections = page.locator("#search-results a.section")
    assert sections.count() > 0
    assert all("#" in (link.get_attribute("href") or "") for link in sections.all())
