"""Write the reference pages into this folder: `make reference`."""

from minigrad.files import write_file
from reference.pages import FOLDER, pages


def main() -> None:
    """Write every page, and remove those the code no longer has."""
    texts = pages()
    for path in [*FOLDER.glob("*.md"), *FOLDER.glob("*.svg"), *FOLDER.glob("*.html")]:
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        write_file(FOLDER / name, text)
        print(f"reference/{name}: {len(text.splitlines()):,} lines")


if __name__ == "__main__":
    main()
