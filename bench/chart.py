"""A chart of horizontal bars as SVG: a group of bars for each layer, one bar a library, a line at the machine's peak."""
import math
from xml.sax.saxutils import escape

COLOURS = ["#c8372d", "#2b6ca3", "#5a9a4b", "#a06cb4", "#d9973b"]
LEFT, WIDTH, RIGHT, TOP = 190, 620, 60, 56
BAR, GAP = 7, 9


def label(x, y, content, anchor="start", colour="#222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(content)}</text>'


def bar(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def line(x, top, bottom, colour, dashes=""):
    style = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}"{style}/>'


def grid(longest, scale, bottom):
    """Lines at round numbers, four to nine of them."""
    step = 10 ** math.floor(math.log10(longest / 2))
    step *= 1 if longest / step < 9 else 2.5 if longest / step < 22 else 5
    for i in range(int(longest / step) + 1):
        x = LEFT + i * step * scale
        yield line(x, TOP, bottom, "#ddd")
        yield label(x, bottom + 14, f"{i * step:g}", "middle", "#555")


def legend(libraries):
    x = LEFT
    for library, colour in zip(libraries, COLOURS):
        yield bar(x, 12, 10, 10, colour)
        yield label(x + 14, 21, library)
        x += 34 + 7 * len(library)


def group(title, values, libraries, y, scale):
    """Libraries that have no value leave their place empty, so that a colour keeps its place in the group."""
    yield label(LEFT - 8, y + len(libraries) * BAR / 2 + 4, title, "end")
    for i, (library, colour) in enumerate(zip(libraries, COLOURS)):
        value = values.get(library)
        if value is not None:
            yield bar(LEFT, y + i * BAR, value * scale, BAR - 1, colour)


def bars(groups, libraries, peak):
    """`groups` are (title, {library: GFLOP/s or None}); the SVG's text."""
    longest = max([peak] + [value for _, values in groups for value in values.values() if value is not None])
    scale, height = WIDTH / longest, len(libraries) * BAR + GAP
    bottom = TOP + len(groups) * height
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{bottom + 40}" '
             'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="#fff"/>']
    parts += legend(libraries)
    parts += grid(longest, scale, bottom)
    for i, (title, values) in enumerate(groups):
        parts += group(title, values, libraries, TOP + i * height + GAP // 2, scale)
    parts += [line(LEFT + peak * scale, TOP - 6, bottom, "#222", "4 3"),
              label(LEFT + peak * scale, TOP - 10, "multiply-add peak", "middle"),
              label(LEFT + WIDTH / 2, bottom + 32, "GFLOP/s of the dense definition", "middle", "#555"), "</svg>"]
    return "\n".join(parts) + "\n"
