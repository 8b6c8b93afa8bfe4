"""What may become a link on a page."""

import pytest

from conformance.reports.pages import _is_weblink, _linked


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("https://github.com/huggingface/peft/issues/1876", True),
        ("http://localhost/", True),
        ("", False),
        ("javascript:alert(1)", False),
        ("https://x/ javascript:alert(1)", False),
        ('https://x/"onclick="alert(1)', False),
        ("data:text/html,x", False),
    ],
)
def test_links_lead_to_the_web_alone(address: str, may: bool) -> None:
    assert _is_weblink(address) is may


def test_addresses_in_a_text_become_links() -> None:
    assert _linked('`a` <b>: https://x.org/p?a=1&b#c, "q".') == (
        '<code>a</code> &lt;b&gt;: <a href="https://x.org/p?a=1&amp;b#c">'
        "https://x.org/p?a=1&amp;b#c</a>, &#34;q&#34;."
    )
