"""A button whose clicks Python counts."""

from __future__ import annotations

import marimo

app = marimo.App()


@app.cell
def ask() -> tuple[object, object]:
    import marimo as mo

    button = mo.ui.button(value=0, on_click=lambda clicks: clicks + 1, label="count")
    button  # noqa: B018  # marimo shows the last expression of a cell
    return button, mo


@app.cell
def answer(button: object, mo: object) -> None:
    mo.md(f"clicks: {button.value}")


if __name__ == "__main__":
    app.run()
