"""A Matplotlib figure as an SVG that sits in a page: the page's colours, fonts and ids.

Matplotlib draws with placeholder colours. Here they become CSS custom properties of the page, so
that one drawing serves light, dark and print; see ``templates/report.css`` for their values.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

XLINK = "http://www.w3.org/1999/xlink"

INK, MUTED, PAPER, MORE, LESS = (f"#0a0b{number:02x}" for number in range(5))
SERIES_COLOURS = 8
SERIES = tuple(f"#0a0c{number:02x}" for number in range(SERIES_COLOURS))
PROPERTIES = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    PAPER: "var(--paper)",
    MORE: "var(--more)",
    LESS: "var(--less)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)},
}

FONT_SIZE = 10.0
CHARACTER = 6.4
"""Room for one character of that size, in pixels."""


def series_colour(number: int) -> str:
    """Return the placeholder of a series' colour; colours repeat after ``SERIES_COLOURS``."""
    return SERIES[number % SERIES_COLOURS]


def draw_svg(
    width: float,
    height: float,
    box: tuple[float, float, float, float],
    key: str,
    title: str,
    draw: Callable[[Axes], None],
) -> str:
    """Draw on one pair of axes and return an ``<svg>`` element.

    Args:
        width: Natural width of the picture, in CSS pixels.
        height: Natural height.
        box: Left, top, right and bottom margins around the axes, in pixels.
        key: Unique in the page; ids are made from it.
        title: What the picture shows, for those who cannot see it. Any text: it is escaped.
        draw: Draws on the axes, which come without ticks, spines or margins.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    left, top, right, bottom = box
    with _settings(key):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)  # 1 pixel is 1/72 inch
        FigureCanvasSVG(figure)
        axes = figure.add_axes(
            (
                left / width,
                bottom / height,
                (width - left - right) / width,
                (height - top - bottom) / height,
            )
        )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.patch.set_visible(False)
        draw(axes)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(buffer.getvalue(), width, height, key, title)


@contextmanager
def _settings(key: str) -> Iterator[None]:
    """Matplotlib's own defaults, whatever the user's settings are, and the ones for SVG."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": key,
                "svg.fonttype": "none",
                "text.parse_math": False,
                "font.family": "DejaVu Sans",  # comes with Matplotlib: every machine measures alike
                "font.size": FONT_SIZE,
                "text.color": INK,
                "axes.edgecolor": MUTED,
                "axes.labelcolor": MUTED,
                "xtick.color": MUTED,
                "ytick.color": MUTED,
                "xtick.labelcolor": MUTED,
                "ytick.labelcolor": MUTED,
                "grid.color": MUTED,
                "hatch.linewidth": 0.8,
            }
        )
        yield


def _for_page(document: bytes, width: float, height: float, key: str, title: str) -> str:
    """Turn Matplotlib's SVG document into an element for a page."""
    root = ElementTree.fromstring(document)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # in HTML, svg needs no namespaces
        element.attrib = dict(_attributes(element))
    picture = Element("svg", _picture_attributes(width, height, key))
    SubElement(picture, "title", id=f"{key}-title").text = title
    picture.extend(child for node in root for child in _essence(node))
    return ElementTree.tostring(picture, encoding="unicode")


def _picture_attributes(width: float, height: float, key: str) -> dict[str, str]:
    return {
        "viewBox": f"0 0 {width:g} {height:g}",
        "style": f"--width: {width:g}px",  # the page lets it grow or shrink a little from there
        "role": "img",
        "aria-labelledby": f"{key}-title",
    }


def _attributes(element: Element) -> Iterator[tuple[str, str]]:
    """An element's attributes, as the page needs them."""
    style = element.get("style", "")
    for name, value in element.items():
        if name == "fill":  # custom properties belong in a style
            style = f"fill: {value}; {style}"
        elif name == f"{{{XLINK}}}href":
            yield "href", value
        elif not (name == "style" or _is_idle(element, name, value)):
            yield name, value
    style = re.sub(r"font-family: [^;]*;? ?", "", style)
    style = re.sub(r"#0a0[bc][0-9a-f]{2}", lambda found: PROPERTIES[found[0]], style)
    if style:
        yield "style", style


def _is_idle(element: Element, name: str, value: str) -> bool:
    """Tell whether an attribute does nothing: names of groups, turns by no angle."""
    return (name == "id" and element.tag == "g") or value.startswith("rotate(-0 ")


def _essence(node: Element) -> list[Element]:
    """Return a node without what draws nothing; groups that only group give up their children."""
    if node.tag in ("metadata", "style") or node.get("style") == "fill: none":
        return []
    node.tail = None
    children = [child for inner in node for child in _essence(inner)]
    if node.tag in ("g", "defs") and not children:
        return []
    if node.tag == "g" and not node.attrib:
        return children
    if children:
        node.text = None
        node[:] = children
    return [node]
