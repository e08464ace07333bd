"""The source button: on a chapter's page, "Show source" opens what was written, not what was executed from it."""

from typing import Any

from sphinx.application import Sphinx


def open_source(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Let the theme's source button of a twin's page lead to ``NN_name.py`` in the repository."""
    buttons = [button for group in context.get("header_buttons", []) for button in group.get("buttons", [])]
    for button in buttons:
        if button.get("label") == "source-file-button":
            button["url"] = button["url"].replace(".ipynb", ".py")
