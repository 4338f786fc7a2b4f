"""Write the reference pages into this folder: `make reference`."""

from pathlib import Path

from reference.pages import pages

FOLDER = Path(__file__).parent


def main() -> None:
    """Write every page, and remove those the code no longer has."""
    texts = pages()
    for path in [*FOLDER.glob("*.md"), *FOLDER.glob("*.svg")]:
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, "utf-8")
        print(f"reference/{name}: {len(text.splitlines()):,} lines")


if __name__ == "__main__":
    main()
