"""A button whose clicks Python counts."""

from __future__ import annotations

from shiny import App, Inputs, Outputs, Session, render, ui


def serve(inputs: Inputs, _outputs: Outputs, _session: Session) -> None:
    @render.text
    def answer() -> str:
        return f"clicks: {inputs.count()}"


app = App(ui.page_fluid(ui.input_action_button("count", "count"), ui.output_text("answer")), serve)
