"""Pictures of characterization: the accuracy of a task by its level, and returns of agents by what they see."""

from matgym.viz.palette import MUTED, VALUE, method_styles, new_figure, tidy

LINES = {"training": ":", "unseen": "-", "prototypes": "--"}
"""Lines of the conditions."""

KEY = "refused_"
"""Start of the names of the accuracies without the least sure answers; the share that is left out follows."""


def accuracy_figure(rows, level_name):
    """Return the picture of the rows of a task.

    Args:
        rows: rows of docs/results/characterization-TASK.json.
        level_name: name of the level, with its unit.
    """
    styles = method_styles(dict.fromkeys(row["method"] for row in rows))
    figure = new_figure(9.6, 4.6)
    left, right = figure.subplots(1, 2)
    for method, style in styles.items():
        for situation, line in LINES.items():
            mine = [row for row in rows if (row["method"], row["situation"]) == (method, situation)]
            if not mine:
                continue
            levels, shares = [row["level"] for row in mine], [100.0 * row["accuracy"] for row in mine]
            named = {"label": f"{method}, {situation}", "color": style.colour, "marker": style.marker}
            left.plot(levels, shares, line, ms=4, **named)
            if method == "network":
                low, high = ([100.0 * row[side] for row in mine] for side in ("low", "high"))
                left.fill_between(levels, low, high, color=style.colour, alpha=0.15, lw=0)
    network = [row for row in rows if row["method"] == "network" and row["situation"] == "unseen"]
    for number, row in enumerate(network, start=1):
        curve = {float(name.removeprefix(KEY)): value for name, value in row.items() if name.startswith(KEY)}
        left_out, kept = ([100.0 * value for value in each] for each in (curve, curve.values()))
        shade = 0.25 + 0.75 * number / len(network)
        right.plot(left_out, kept, "o-", ms=3, color=styles["network"].colour, alpha=shade, label=f"{row['level']:g}")
    if all(row["level"] > 0.0 for row in rows):
        left.set_xscale("log")
    left.set(xlabel=level_name, ylabel="right, %", ylim=(0.0, 102.0))
    right.set(xlabel="least sure answers that are left out, %", ylabel="right of the others, %", ylim=(0.0, 102.0))
    right.set_title("network, unseen conditions", fontsize=9, color=MUTED)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=3, frameon=False, fontsize=7)
    if network:
        right.legend(frameon=False, fontsize=7, title=level_name, title_fontsize=7)
    return figure


def loop_figure(scores):
    """Return the picture of the returns of agents by what they see.

    Args:
        scores: entries of docs/results/characterization-loop.json.
    """
    places = list(dict.fromkeys((entry["environment"], entry["level"]) for entry in scores))
    figure = new_figure(9.6, 3.8)
    for axes, place in zip(figure.subplots(1, len(places), squeeze=False)[0], places, strict=True):
        mine = [entry for entry in scores if (entry["environment"], entry["level"]) == place]
        mine.sort(key=lambda entry: entry["return"][0])
        for row, entry in enumerate(mine):
            mean, low, high = entry["return"]
            colour = VALUE if entry["steps"] else MUTED
            axes.plot([low, high], [row, row], color=colour, lw=2, alpha=0.5)
            axes.plot(mean, row, "o", color=colour)
        axes.set_yticks(range(len(mine)), [entry["sees"] for entry in mine])
        axes.set(xlabel="return of unseen episodes")
        axes.set_title(f"{place[0].removeprefix('matgym/')}, {place[1]}, {mine[0]['seeds']} seeds", fontsize=10)
        tidy(axes, "x")
    return figure
