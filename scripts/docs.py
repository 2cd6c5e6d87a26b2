"""Write docs/environments/NAME.md, a page for each environment, from its docstring; `--check` only compares."""

import sys
from inspect import getdoc
from pathlib import Path

import gymnasium as gym

from matgym.registration import SPECS, variant_id

FOLDER = Path(__file__).parents[1] / "docs" / "environments"


def pages():
    """Yield path and text of every page."""
    for spec in SPECS:
        text = getdoc(gym.envs.registration.load_env_creator(spec.entry_point))
        name = spec.id.removeprefix("matgym/")
        others = ", ".join(f"`{variant_id(spec.id, variant)}`" for variant in spec.variants)
        head = f"# `{spec.id}`\n\n<!-- made by scripts/docs.py from the docstring -->\n\n"
        yield FOLDER / f"{name}.md", f"{head}{f'Variants: {others}.{2 * chr(10)}' if others else ''}{text}\n"


def main():
    check = "--check" in sys.argv
    for path, text in pages():
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                sys.exit(f"{path} differs from the docstring of its environment: run scripts/docs.py")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
