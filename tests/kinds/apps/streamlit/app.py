"""A button whose clicks Python counts."""

from __future__ import annotations

import streamlit

clicks = streamlit.session_state.setdefault("clicks", 0)
if streamlit.button("count"):
    clicks = streamlit.session_state.clicks = clicks + 1
streamlit.write(f"clicks: {clicks}")
