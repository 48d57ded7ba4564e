"""A button whose clicks Python counts."""

from __future__ import annotations

import gradio

with gradio.Blocks() as demo:
    clicks = gradio.State(0)
    button = gradio.Button("count")
    answer = gradio.Markdown("clicks: 0")

    def count(before: int) -> tuple[int, str]:
        return before + 1, f"clicks: {before + 1}"

    button.click(count, clicks, [clicks, answer])

demo.launch()
