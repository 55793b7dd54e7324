"""What was measured, as pictures: SVG that needs nothing beside it, in the colours of the reader's light or dark page."""

from html import escape
from statistics import median

from .tables import METRICS, number

WIDTH, LABEL, RIGHT, BAR, GAP, HEAD = 760, 150, 150, 15, 14, 46
"""A row has a title, a bar for each server, and the spread of its runs as a thin line."""

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #5c6570; }
.title { font-size: 15px; font-weight: 600; fill: #1c2128; }
.row { font-weight: 600; fill: #1c2128; }
.end { text-anchor: end; }
.bar { fill: #a9b4c0; }
.forumd { fill: #1769c7; }
.floor { fill: #dde2e8; }
.spread { stroke: #1c2128; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  text { fill: #9aa4b0; }
  .title, .row { fill: #e6e9ed; }
  .bar { fill: #57616d; }
  .forumd { fill: #6cb2ff; }
  .floor { fill: #333b45; }
  .spread { stroke: #e6e9ed; }
}
"""

PLOTS = {
    "cpu": ("CPU of an operation", "cpu_us", ["ping-1", "ping-32", "post-none-1", "post-none-32", "post-interval-1", "post-interval-32"]),
    "durable": ("Posts that are fsynced before the answer", "rate", ["post-always-1", "post-always-32"]),
    "fanout": ("CPU of a delivery, one speaks to many", "delivery_ns", ["fanout-1000-1", "fanout-1000-16", "fanout-10000-1", "fanout-10000-16"]),
    "idle": ("Memory of an idle connection", "connection_bytes", ["idle"]),
    "latency": ("Posts at 2,000 a second beside 10,000 idle sessions", "p90_us", ["open-loop"]),
    "files": ("CPU of moving a file", "cpu_s_gb", ["download", "upload"]),
}
"""Each picture: its title, what its bars are, and the rows of the comparison that it shows."""


def plots(rows):
    """The pictures that can be made of these rows, by name."""
    made = {}
    for name, (title, metric, keys) in PLOTS.items():
        shown = {key: bars(rows[key], metric) for key in keys if key in rows}
        if any(shown.values()):
            made[name] = picture(title, metric, shown)
    return made


def bars(row, metric):
    return {label: metrics[metric] for label, metrics in row.items() if metric in metrics}


def picture(title, metric, shown):
    lines, y = [], HEAD
    for key, row in shown.items():
        lines.append(f'<text class="row" x="0" y="{y}">{escape(key)}</text>')
        y += 8
        longest = max(max(values) for values in row.values())
        for label, values in row.items():
            lines += bar(y, label, values, longest)
            y += BAR + 4
        y += GAP + 8
    better = "more is better" if metric == "rate" else "less is better"
    head = f"{escape(title)}: {escape(METRICS[metric])}, {better}"
    summary = escape("; ".join(told(key, row) for key, row in shown.items()), quote=True)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - GAP}" width="{WIDTH}" role="img" aria-label="{head}. {summary}">',
            f"<style>{STYLE}</style>",
            f'<text class="title" x="0" y="18">{head}</text>',
            *lines,
            "</svg>",
            "",
        ]
    )


def bar(y, label, values, longest):
    room = WIDTH - LABEL - RIGHT
    least, middle, most = (LABEL + room * value / longest for value in (min(values), median(values), max(values)))
    kind = "forumd" if label.startswith("forumd") else "floor" if label.startswith("floor") else "bar"
    yield f'<text class="end" x="{LABEL - 8}" y="{y + BAR - 3}">{escape(label)}</text>'
    yield f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{middle - LABEL:.1f}" height="{BAR}"/>'
    if most > least:
        yield f'<path class="spread" d="M{least:.1f} {y + BAR / 2}H{most:.1f}"/>'
    yield f'<text x="{max(middle, most) + 6:.1f}" y="{y + BAR - 3}">{number(median(values))}</text>'


def told(key, row):
    return f"{key}: " + ", ".join(f"{label} {number(median(values))}" for label, values in row.items())
