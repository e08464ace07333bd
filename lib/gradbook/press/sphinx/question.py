"""The directive ``{question}``: a question to answer before the figure that answers it, with feedback for each answer.

Each answer is a disclosure of HTML: it works by keyboard, with a screen reader and without scripts, and is printed as a
plain line. ``book/_static/question.js`` keeps what the reader chose.
"""

from html import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

MARKS = {"[x] ": "right", "[ ] ": "wrong"}


class Question(SphinxDirective):
    """A question, and a list of two to four answers, each with its feedback; one of them is right::

    :::{question} angle
    At 60° the cosine of the whole gradients is ½. What will be the mean over single examples?

    - [ ] Also ½.

      No: it is {glue:text}`single_at_sixty:.2f`, for …
    - [x] Of the same sign, and smaller.

      Yes: …
    :::
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the question's text, then its answers as disclosures of which one is open at a time."""
        (name,) = self.arguments
        *text, answers = self.parse_content_to_nodes(allow_section_headings=False)
        items = list(answers.children) if isinstance(answers, nodes.bullet_list) else []
        marks = [self._mark(item) for item in items]
        if not text or not 2 <= len(items) <= 4 or marks.count("right") != 1:
            raise self.error(f"question {name!r} needs a text, then two to four answers, one of them marked [x].")
        label = f'<div class="question" id="question-{escape(name)}" role="group" aria-label="Question">'
        shown: list[nodes.Node] = [nodes.raw("", label, format="html"), *text]
        for item, mark in zip(items, marks, strict=True):
            shown += self._answer(name, item, mark)
        return [*shown, nodes.raw("", "</div>", format="html")]

    def _mark(self, item: nodes.list_item) -> str:
        start = item[0].astext()[:4]
        if start not in MARKS or len(item) < 2:
            raise self.error(f"each answer begins with [x] or [ ] and has its feedback below; received {start!r}.")
        first = next(iter(item[0].findall(nodes.Text)))
        first.parent.replace(first, nodes.Text(first.removeprefix(start)))
        return MARKS[start]

    def _answer(self, name: str, item: nodes.list_item, mark: str) -> list[nodes.Node]:
        answer, *feedback = item.children
        opened = f'<details name="{escape(name)}" class="{mark}"><summary>'
        return [
            nodes.raw("", opened, format="html"),
            nodes.inline("", "", *answer.children),
            nodes.raw("", "</summary>", format="html"),
            *feedback,
            nodes.raw("", "</details>", format="html"),
        ]
