"""The theme of the page, light and dark; details are in page.css."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STYLE = Path(__file__).with_name("page.css")
_FONTS = ("Inter", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "Arial", "sans-serif")

# Property of Gradio's themes -> (light, dark).
_COLOURS = {
    "body_background_fill": ("#f3f6f7", "#0d1417"),
    "body_text_color": ("#17262b", "#e3ecee"),
    "body_text_color_subdued": ("#4c6067", "#9fb2b8"),
    "block_background_fill": ("#ffffff", "#152025"),
    "block_border_color": ("#d9e3e6", "#26353b"),
    "block_label_background_fill": ("transparent", "transparent"),
    "block_label_text_color": ("#33464c", "#b9c9ce"),
    "block_title_text_color": ("#22353b", "#cfdcdf"),
    "block_info_text_color": ("#4c6067", "#9fb2b8"),
    "input_background_fill": ("#ffffff", "#0f181c"),
    "button_secondary_background_fill": ("#e3ebed", "#22323a"),
    "button_secondary_background_fill_hover": ("#d6e2e5", "#2c404a"),
    "button_secondary_text_color": ("#17262b", "#e3ecee"),
    "input_border_color": ("#b9c9ce", "#3a4c53"),
    "background_fill_secondary": ("#f3f6f7", "#0f181c"),
    "button_primary_background_fill": ("#0b6b72", "#2aa6a6"),
    "button_primary_background_fill_hover": ("#095a60", "#3ab9b8"),
    "button_primary_text_color": ("#ffffff", "#062022"),
    "checkbox_border_color": ("#8fa3aa", "#5b7078"),
    "checkbox_background_color_selected": ("#0b6b72", "#2aa6a6"),
    "checkbox_label_background_fill_selected": ("#e2f1f1", "#12363a"),
    "checkbox_label_text_color_selected": ("#0a4a50", "#d6f2f1"),
    "table_even_background_fill": ("#ffffff", "#152025"),
    "table_odd_background_fill": ("#f3f6f7", "#111b20"),
    "table_border_color": ("#d9e3e6", "#26353b"),
    "table_row_focus": ("#e2f1f1", "#12363a"),
    "link_text_color": ("#0b6b72", "#5fcfcd"),
    "loader_color": ("#0b6b72", "#2aa6a6"),
    "checkbox_background_color": ("#ffffff", "#0f181c"),
}


def theme() -> gr.themes.Base:
    """Return the page's theme; it loads nothing from other servers."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.cyan,
        neutral_hue=gr.themes.colors.slate,
        text_size=gr.themes.sizes.text_md,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_lg,
        font=_FONTS,
    )
    light = {name: pair[0] for name, pair in _COLOURS.items()}
    dark = {f"{name}_dark": pair[1] for name, pair in _COLOURS.items()}
    return base.set(**light, **dark, color_accent="#0b6b72", input_border_width="1px", block_border_width="1px")
