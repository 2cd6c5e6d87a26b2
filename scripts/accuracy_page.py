"""Write the page of the accuracy of characterization, docs/characterization-accuracy.md, from the stored results.

`python scripts/docs.py` calls it. The results are those of scripts/studies/characterization/accuracy.py, defects.py and
loop.py, and the cards of the shipped networks.
"""

import json
from pathlib import Path

from matgym.characterization.reading.registry import READINGS
from matgym.characterization.recognition.registry import PLACE_TASKS, TASKS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "characterization-accuracy.md"
CARDS = ROOT / "matgym" / "characterization" / "reading" / "weights"

HEAD = """# Accuracy of characterization

This reference lists what the shipped networks of `matgym.characterization` reach on simulated measurements, beside
methods without learning. [Characterization](characterization.md) describes the tasks, the conditions, and the limits.
The [index](README.md) lists all pages.

All figures are of simulations: no measurement of a real instrument is among them. "training" are conditions as in
training, "unseen" are conditions outside of their ranges, and "prototypes" are pymatgen's structure types, under the
unseen conditions. Intervals are 95 % intervals over samples. "at 50 %" is the accuracy of the half of the answers with
the highest probabilities. The calibration error is the expected one, over bins of equal width of the probability.
"refused" is the share without an answer, and "answers" is the accuracy of the others.
"""


def percent(row, name, spread=False):
    """Return a share in percent, with its interval, or an empty cell."""
    if row is None or row.get(name) is None:
        return ""
    text = f"{100.0 * row[name]:.1f}"
    return f"{text} [{100.0 * row['low']:.1f}, {100.0 * row['high']:.1f}]" if spread else text


def decimal(row, name):
    return "" if row is None or row.get(name) is None else f"{row[name]:.3f}"


def table(head, rows):
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)) + "\n"


def accuracy(found):
    """Return the table of the accuracy of a task by conditions and level."""
    rows = {(row["situation"], row["level"], row["method"]): row for row in found["accuracy"]}
    others = list(dict.fromkeys(row["method"] for row in found["accuracy"] if row["method"] != "network"))
    places = list(dict.fromkeys((row["situation"], row["level"]) for row in found["accuracy"]))
    extra = [
        (name, text)
        for name, text in (("share_error", "error of shares"), ("metallic_error", "error of the metallic share"))
        if any(row.get(name) is not None for row in found["accuracy"])
    ]
    head = ["conditions", found["task"]["level"], "network, %", "top 3, %", "at 50 %, %", "calibration error"]
    head += ["refused, %", "answers, %", "calibration error of answers"]
    head += [text for _, text in extra] + [f"{name}, %" for name in others]
    lines = []
    for situation, level in places:
        network = rows.get((situation, level, "network"))
        cells = [situation, f"{level:g}", percent(network, "accuracy", spread=True), percent(network, "top_3")]
        cells += [percent(network, "refused_0.5"), decimal(network, "calibration_error"), percent(network, "refused")]
        cells += [percent(network, "accuracy_of_answers"), decimal(network, "calibration_error_of_answers")]
        cells += [decimal(network, name) for name, _ in extra]
        lines.append([*cells, *(percent(rows.get((situation, level, name)), "accuracy") for name in others)])
    return table(head, lines)


def section(name):
    """Return the section of a task; None without results."""
    file = RESULTS / f"characterization-{name}.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    parts = [f"## {name}\n{TASKS[name].question} `{found['command']} {name}` measured this on {found['machine']}.\n"]
    if not found["weights"]:
        parts.append("No network of this task is trained yet; the figures are those of the other methods.\n")
    parts.append(accuracy(found))
    parts.append(f"![Accuracy of {name} by level, and without unsure answers](images/characterization-{name}.png)\n")
    if "splits" in found:
        rows = [
            [row["by"], str(row["trained_on"]), percent(row, "accuracy", spread=True), percent(row, "top_3")]
            for row in found["splits"]
        ]
        parts.append(
            "The same network, trained on patterns of varied prototypes and tested on a fifth that is left out: of the "
            "patterns (a random split, as often published), or of the prototypes.\n"
        )
        parts.append(table(["left out by", "trained on", "accuracy, %", "top 3, %"], rows))
    if "cross_validation" in found:
        settings = found["settings"]
        rows = [
            [row["network"], f"{100.0 * row['accuracy']:.1f} ± {100.0 * row['spread']:.1f}"]
            for row in found["cross_validation"]
        ]
        parts.append(
            f"Cross-validation in {settings['folds']} folds of {settings['crossed']} samples, "
            f"{settings['crossed_epochs']} epochs each; mean and standard deviation over folds.\n"
        )
        parts.append(table(["network", "accuracy, %"], rows))
    return "\n".join(parts)


def defects():
    """Return the section of defects; None without results."""
    file = RESULTS / "defects.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    kinds = (*PLACE_TASKS["defects-hrtem"].kinds, "pooled", "any kind")
    names = [*(f"f1 {kind}" for kind in kinds), "calibration_error", "refused"]
    rows = [
        [row["method"], row["situation"], f"{row['level']:g}", *(decimal(row, name) for name in names)]
        for row in found["found"]
    ]
    head = ["method", "conditions", "dose, electrons/Å²", *(f"F1, {kind}" for kind in kinds)]
    said = f"## defects-hrtem\nWhere are which defects in this image? `{found['command']}` measured this on "
    return said + f"{found['machine']}.\n\n" + table([*head, "calibration error", "refused"], rows)


def readings(name):
    """Return the section of a task whose answers are numbers, from the card of its network; None without one."""
    file = CARDS / f"{name}.json"
    if not file.exists():
        return None
    card = json.loads(file.read_text(encoding="utf-8"))
    measures = {"r2": "R²", "rms": "rms error", "bias": "mean error", "covered": "in the 90 % interval, %"}
    rows = []
    for quantity, *_ in card["quantities"]:
        for situation in ("training", "unseen"):
            for method, key in (("network", situation), ("without learning", f"{situation}, baseline")):
                found = {each: card["metrics"][key][f"{quantity}_{each}"] for each in measures}
                found["covered"] *= 100.0
                rows.append([quantity, situation, method, *(f"{value:.3g}" for value in found.values())])
    about = f"## {name}\n{READINGS[name].question} `{card['command']}` measured this on "
    about += (
        f"{card['metrics']['unseen']['samples']:g} samples of each kind. Errors of quantities that are even in their "
    )
    about += "logarithm are those of the natural logarithm.\n"
    return about + "\n" + table(["quantity", "conditions", "method", *measures.values()], rows)


def loop():
    """Return the section of agents that see what instruments show; None without results."""
    file = RESULTS / "characterization-loop.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    rows = []
    for entry in found["scores"]:
        mean, low, high = entry["return"]
        place, steps = (entry[name] for name in ("environment", "level", "sees")), entry["steps"]
        text = f"{mean:.3f} [{low:.3f}, {high:.3f}]"
        rows.append([*place, text, str(entry["seeds"]), f"{steps:,}" if steps else ""])
    about = "## The loop closed\nWhat agents reach that see the hidden state, instruments, or what was read from "
    about += f"them; `{found['command']}` measured this on {found['machine']}. Returns are interquartile means over "
    about += 'seeds with 95 % intervals. "random" and "blind", the best fixed schedule, do not look.\n'
    about += "\n![Returns by what agents see](images/characterization-loop.png)\n"
    return about + "\n" + table(["environment", "level", "sees", "return", "seeds", "steps"], rows)


def page():
    """Return the path and the text of the page."""
    sections = [*(section(name) for name in TASKS), defects(), *(readings(name) for name in READINGS), loop()]
    return PAGE, "\n".join([HEAD, *filter(None, sections)])
