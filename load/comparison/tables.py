"""What was measured, as Markdown."""

from statistics import median

METRICS = {
    "cpu_us": "CPU seconds a million",
    "delivery_ns": "CPU ns a delivery",
    "login_us": "CPU µs a log-in, hashing left out",
    "login_all_us": "CPU µs a log-in, all",
    "rate": "operations/s",
    "p50_us": "p50 µs",
    "p90_us": "p90 µs",
    "connection_bytes": "bytes a connection",
    "account_bytes": "bytes an account",
    "cpu_s_gb": "CPU seconds a GB",
    "mb_s": "MB/s",
}


def number(value):
    """Three digits, whatever the size."""
    digits = 3 - len(f"{abs(value):.0f}".lstrip("0"))
    return f"{value:,.{max(0, min(digits, 3))}f}"


def spread(values):
    """The median, and how far the runs lay apart."""
    if len(values) < 2:
        return number(values[0])
    return f"{number(median(values))} ({number(min(values))}–{number(max(values))})"


def ratio(value):
    return f"{value:.2f} ×"


def table(row, measured, failures):
    """One row: who was measured in the columns, what was measured in the lines."""
    labels = [label for label in row.labels() if label in measured]
    lines = [f"### `{row.key}`: {row.title}", ""]
    lines += [f"{label} is missing: {reason}\n" for label, reason in failures.items()]
    if labels:
        lines += [line_of(["", *labels]), line_of(["---"] * (len(labels) + 1))]
        metrics = list(dict.fromkeys(metric for label in labels for metric in measured[label]))
        for metric in metrics:
            cells = [spread(measured[label][metric]) if metric in measured[label] else "" for label in labels]
            lines.append(line_of([METRICS.get(metric, metric), *cells]))
        for name, of in references(row, measured):
            base = median(measured[of][row.metric])
            cells = [ratio(median(measured[label][row.metric]) / base) for label in labels]
            lines.append(line_of([f"{METRICS[row.metric]} : {name}", *cells]))
        lines.append("")
    return "\n".join(lines)


def line_of(cells):
    return "| " + " | ".join(cells) + " |"


def references(row, measured):
    """What the others are divided by: each floor, and the best of the peers."""
    if row.metric not in METRICS:
        return
    for label in row.labels():
        if label.startswith("floor") and label in measured:
            yield label, label
    if peer := best_peer(row, measured):
        yield f"best peer, {peer}", peer


def best_peer(row, measured):
    peers = [label for label in measured if not label.startswith(("floor", "forumd"))]
    best = max if row.metric == "rate" else min
    return best(peers, key=lambda label: median(measured[label][row.metric]), default=None)


def summary(verdicts):
    """All targets of all rows."""
    lines = ["## Targets", "", line_of(["row", "target", "measured", "met"]), line_of(["---"] * 4)]
    for verdict in verdicts:
        lines.append(line_of([f"`{verdict.row}`", verdict.target, verdict.measured, verdict.word]))
    return "\n".join(lines + [""])
