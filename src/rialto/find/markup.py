"""Text out of markup: descriptions as shops write them, HTML tags and entities and all, as plain words."""

from __future__ import annotations

import re
from html import unescape

__all__ = ["plain"]

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
_UNSEEN = re.compile(r"<(script|style)\b[^>]*>.{0,100000}?</\1\s*>|<!--.{0,100000}?-->", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]{0,15})(?:\s[^<>]*|/)?>|<![a-zA-Z\[][^<>]*>|<\?[^<>]*>")
_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|em|font|i|ins|kbd|mark|q|s|small|span|strike|strong|sub|sup|tt|u|var|wbr",
    re.IGNORECASE,
)
_BLOCK = re.compile(
    "address|area|article|aside|audio|base|basefont|blockquote|body|br|button|canvas|caption|center|col|colgroup|dd|del|details|dfn|dir|div"
    "|dl|dt|embed|fieldset|figcaption|figure|footer|form|frame|h[1-6]|head|header|hr|html|iframe|img|input|label|legend|li|link|main|map"
    "|menu|meta|nav|nobr|noscript|object|ol|optgroup|option|p|param|picture|pre|script|section|select|source|style|summary|svg|path|table"
    "|tbody|td|textarea|tfoot|th|thead|time|title|tr|track|ul|video",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """The words of `text`: tags of HTML out, entities as their characters; text without any is returned as it is.

    What only looks like a tag stays ("size < 5 and > 2", "<Lamp>"). Tags within a line leave no gap, others leave a blank.

    Example:
        >>> plain("<ul><li>Oak &amp; ash</li><li>40&nbsp;cm</li></ul>"), plain("w&lt;b&gt;oo&lt;/b&gt;d"), plain("4 < 5 & 6 > 2")
        ('Oak & ash 40 cm', 'wood', '4 < 5 & 6 > 2')
    """
    if "<" not in text and "&" not in text:
        return text
    made = unescape(text) if "&lt;" in text and _ENTITY.search(text) else text
    if "<" in made:
        if "</" in made or "<!--" in made:
            made = _UNSEEN.sub(" ", made)
        made = _TAG.sub(_gap, made)
    if "&" in made and _ENTITY.search(made):
        made = unescape(made)
    if made == text:
        return text
    return re.sub(r"[ \t\r\f\v\u00a0]*\n\s*", "\n", re.sub(r"[ \t\u00a0]+", " ", made)).strip()


def _gap(found: re.Match[str]) -> str:
    name = found[1] or ""
    return "" if _INLINE.fullmatch(name) else " " if not name or _BLOCK.fullmatch(name) else found[0]
