"""The theme: colours, radii and fonts in light and dark, and the style sheets."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils.fonts import Font

from kling_utils.show import cards, stage

STATIC = Path(__file__).parent / "static"
SANS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Helvetica Neue",
    "Liberation Sans",
    "Arial",
    "sans-serif",
)
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

# Light, dark. Text on its ground is 4.5:1 or better in both.
_PAGE = ("#f6f6f3", "#0f1115")
_SURFACE = ("#ffffff", "#171a20")
_FIELD = ("#fbfbf9", "#1d2129")
_LINE = ("#dfdfd9", "#2b303a")
_TEXT = ("#17191e", "#eceef2")
_QUIET = ("#5b606b", "#a3aab8")
_ACCENT = ("#3451d1", "#93a6ff")
_ACCENT_HOVER = ("#2a43b4", "#abbaff")
_ON_ACCENT = ("#ffffff", "#0c1233")
_SOFT = ("#eef0fb", "#20263d")


def theme() -> gr.themes.Base:
    """The theme of the page."""
    made = gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.stone,
        font=[Font(name) for name in SANS],
        font_mono=[Font(name) for name in MONO],
        radius_size=gr.themes.sizes.radius_lg,
    )
    pairs: dict[str, tuple[str, str]] = {
        "body_background_fill": _PAGE,
        "body_text_color": _TEXT,
        "body_text_color_subdued": _QUIET,
        "background_fill_primary": _SURFACE,
        "background_fill_secondary": _FIELD,
        "border_color_primary": _LINE,
        "border_color_accent": _ACCENT,
        "color_accent_soft": _SOFT,
        "link_text_color": _ACCENT,
        "link_text_color_hover": _ACCENT_HOVER,
        "link_text_color_active": _ACCENT,
        "link_text_color_visited": _ACCENT,
        "block_background_fill": _SURFACE,
        "block_border_color": _LINE,
        "block_info_text_color": _QUIET,
        "block_label_text_color": _TEXT,
        "block_label_background_fill": _SURFACE,
        "block_title_text_color": _TEXT,
        "input_background_fill": _FIELD,
        "input_border_color": _LINE,
        "input_border_color_focus": _ACCENT,
        "input_placeholder_color": ("#6b707b", "#8f96a5"),
        "panel_background_fill": _SURFACE,
        "button_primary_background_fill": _ACCENT,
        "button_primary_background_fill_hover": _ACCENT_HOVER,
        "button_primary_text_color": _ON_ACCENT,
        "button_primary_border_color": _ACCENT,
        "button_secondary_background_fill": _SURFACE,
        "button_secondary_background_fill_hover": _SOFT,
        "button_secondary_text_color": _TEXT,
        "button_secondary_border_color": _LINE,
        "checkbox_background_color": _SURFACE,
        "checkbox_background_color_selected": _ACCENT,
        "checkbox_border_color": ("#8b8f98", "#6d7483"),
        "checkbox_border_color_selected": _ACCENT,
        "checkbox_border_color_focus": _ACCENT,
        "checkbox_label_background_fill": _SURFACE,
        "checkbox_label_background_fill_hover": _FIELD,
        "checkbox_label_background_fill_selected": _SOFT,
        "checkbox_label_border_color": _LINE,
        "checkbox_label_border_color_selected": _ACCENT,
        "checkbox_label_text_color": _TEXT,
        "checkbox_label_text_color_selected": _TEXT,
        "loader_color": _ACCENT,
        "accordion_text_color": _TEXT,
    }
    values = {name: light for name, (light, _) in pairs.items()} | {
        f"{name}_dark": dark for name, (_, dark) in pairs.items()
    }
    single = {
        "color_accent": "var(--studio-accent)",
        "block_shadow": "none",
        "block_shadow_dark": "none",
        "block_radius": "14px",
        "block_border_width": "1px",
        "block_label_text_weight": "600",
        "block_title_text_weight": "600",
        "block_title_text_size": "14px",
        "block_info_text_size": "13px",
        "block_padding": "14px",
        "container_radius": "14px",
        "input_radius": "10px",
        "input_border_width": "1px",
        "input_shadow": "none",
        "input_shadow_focus": "0 0 0 3px color-mix(in srgb, var(--studio-accent) 22%, transparent)",
        "input_shadow_focus_dark": "0 0 0 3px color-mix(in srgb, var(--studio-accent) 28%, transparent)",
        "button_large_radius": "10px",
        "button_medium_radius": "10px",
        "button_small_radius": "9px",
        "button_large_text_weight": "600",
        "button_medium_text_weight": "500",
        "button_small_text_weight": "500",
        "button_border_width": "1px",
        "button_primary_shadow": "none",
        "button_secondary_shadow": "none",
        "checkbox_label_border_width": "1px",
        "checkbox_label_shadow": "none",
        "checkbox_shadow": "none",
        "form_gap_width": "0px",
        "layout_gap": "16px",
    }
    return made.set(**values, **single)


def css() -> str:
    """All style sheets of the page as one text."""
    accent = (
        f":root {{ --studio-accent: {_ACCENT[0]}; }} .dark {{ --studio-accent: {_ACCENT[1]}; }}"
    )
    return "\n".join([accent, cards.style(), stage.css(), static("studio.css")])


def static(name: str) -> str:
    """A file of ours as text."""
    return (STATIC / name).read_text("utf-8")
