"""A page as its elements and texts, for tests."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "rect", "line", "circle", "input", "br"}
TAGS = (VOID - {"link"}) | {
    *(
        "html",
        "head",
        "title",
        "style",
        "body",
        "header",
        "main",
        "nav",
        "section",
        "article",
        "div",
        "a",
        "p",
        "span",
    ),
    *("h1", "h2", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "code", "pre", "strong", "blockquote"),
    *(
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "svg",
        "text",
        "details",
        "summary",
        "figure",
        "figcaption",
        "caption",
        "label",
        "q",
    ),
    *("script", "template", "form", "select", "option", "output", "button"),
}


class Page(HTMLParser):
    """The elements and texts of a page; an end tag that does not fit is an error."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags: str) -> str:
        return "\n".join(text for tag, text in self.texts if not tags or tag in tags)
