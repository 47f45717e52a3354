"""How figures look: their words can be read on the web, in the dark, and on paper."""

from __future__ import annotations

import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb

from figures import style

COLOURS = {
    style.INK,
    style.MEASURED,
    style.PREDICTED,
    style.CONTROL,
    style.ACCENT,
    *(look.colour for look in style.SERIES),
}


def test_contrast_is_that_of_the_standard() -> None:
    """Values that the standard itself and its checkers give: black on white, #767676 on white."""
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("colour", sorted(COLOURS))
def test_words_in_every_colour_can_be_read_and_keep_its_hue(colour: str) -> None:
    words = style.readable(colour)
    assert style.contrast(words, style.PAPER) >= style.CONTRAST
    assert rgb_to_hsv(to_rgb(words))[0] == pytest.approx(rgb_to_hsv(to_rgb(colour))[0], abs=0.02)


@pytest.mark.parametrize("colour", sorted(COLOURS))
def test_lines_and_marks_stand_out_from_the_paper(colour: str) -> None:
    assert style.contrast(colour, style.PAPER) >= 3


def test_a_label_is_written_in_the_readable_colour() -> None:
    _, axis = style.canvas()
    style.label(axis, "a curve", 0.5, 0.5, style.ACCENT)
    (words,) = axis.texts
    assert words.get_color() == style.readable(style.ACCENT) != style.ACCENT
