"""Texts that mean something to whatever prints them: pages, shells, templates, spreadsheets, terminals, file systems.

Every name that a log, a catalogue or an edited answer can fill is tried with each of these. None of them may ever be
more than text, wherever it is shown.
"""

from typing import Final

PAGE: Final = (
    "<script>alert('fwlens-hostile')</script>",
    "</script><script>alert('fwlens-hostile')</script>",
    "</ScRiPt ><svg/onload=alert('fwlens-hostile')>",
    "\"><img src=x onerror=alert('fwlens-hostile')>",
    "'><img src='https://hostile.invalid/pixel.png' onerror='alert(1)'>",
    "<!--<script>",
    "--><b>bold</b><!--",
    "]]><![CDATA[<i>x</i>",
    "</title></style></textarea></template><h1>broken out</h1>",
    "</pre></code></td></tr></table><h1>broken out</h1>",
    "<iframe srcdoc=\"<script>alert('fwlens-hostile')</script>\"></iframe>",
    "<link rel=stylesheet href=https://hostile.invalid/x.css>",
    "<meta http-equiv=refresh content='0;url=https://hostile.invalid/'>",
    "<base href=https://hostile.invalid/>",
    "<form action=https://hostile.invalid/><input name=q></form>",
    "<details open ontoggle=alert('fwlens-hostile')>",
    "<math><a xlink:href=javascript:alert('fwlens-hostile')>x</a></math>",
    '<a href="https://hostile.invalid/">a link by the chart</a>',
    "<b>bold</b><br><sup>raised</sup>",
    "<style>*{display:none}</style>",
    "javascript:alert('fwlens-hostile')",
    "data:text/html,<script>alert('fwlens-hostile')</script>",
    "vbscript:msgbox(1)",
    "x onmouseover=alert('fwlens-hostile') y=",
    "&lt;script&gt;alert('fwlens-hostile')&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "\\u003cscript\\u003ealert('fwlens-hostile')\\u003c/script\\u003e",
    "\\x3cimg src=x onerror=alert(1)\\x3e",
    "url(https://hostile.invalid/x.png)",
    "@import 'https://hostile.invalid/x.css';",
)
"""Markup, scripts and styles: what a browser would run, load or draw."""

SCRIPT: Final = (
    "';alert('fwlens-hostile');//",
    '";alert("fwlens-hostile");//',
    "`;alert('fwlens-hostile');//",
    "${alert('fwlens-hostile')}",
    "{{ 7*7 }}{% raw %}",
    "{{ cycler.__init__.__globals__ }}",
    "{{constructor.constructor('alert(1)')()}}",
    "%{hovertext}<extra>x</extra>",
    "__proto__",
    "constructor",
    "toString",
    "line\u2028paragraph\u2029end",
)
"""What ends a string of JavaScript, or means something to a template or an object's keys."""

TEMPLATE: Final = (
    "${var.admin}",
    "$${escaped}",
    "%{ if true }x%{ endif }",
    "[concat('a', 'b')]",
    "[[literal]]",
    "[parameters('x')]",
    "'${resourceGroup().id}'",
    "''' multi-line bicep",
    "@file.json",
    "@{x=1}",
    "what??! trigraph ??( ??/",
    "<<EOT\ntext\nEOT",
    "#!/bin/sh",
    "# a comment",
    "// a comment",
    "/* a comment */ x /*",
)
"""What means something to ARM, Bicep, Terraform and the command lines of Azure."""

SHELL: Final = (
    "$(touch fwlens-hostile)",
    "`touch fwlens-hostile`",
    "; touch fwlens-hostile",
    "| touch fwlens-hostile",
    "&& touch fwlens-hostile",
    "' ; touch fwlens-hostile ; '",
    '" ; touch fwlens-hostile ; "',
    "x > fwlens-hostile",
    "--help",
    "-rf",
    "~root",
    "* ? [a-z] {a,b}",
    "!history",
    "%PATH% %0 ^& calc",
    "$env:PATH; Write-Host x",
    "; drop table flows; --",
    "' or '1'='1",
    "| take 0 // kusto",
    "trailing backslash \\",
    "back\\slash\\n\\t\\0",
)
"""What means something to a shell or a query."""

SHEET: Final = (
    "=1+1",
    '=HYPERLINK("https://hostile.invalid/","click")',
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\uff1d1+1",
    "\uff201+1",
    "semi;=1+1",
    "semi; @SUM(1+1)",
    '"quoted","and, comma"',
    'a "quote in the middle',
    "semi;colon",
    "1e309",
    "00123",
)
"""What a spreadsheet would count, or what would end a cell."""


def formulas(cell: str) -> list[str]:
    """What a spreadsheet would count in a cell. Where the comma is for decimals, it splits cells at semicolons, and some
    read full-width signs as the others (https://owasp.org/www-community/attacks/CSV_Injection)."""
    return [part for part in cell.split(";") if part.lstrip()[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20")]


PLAIN: Final = (
    "null",
    "true",
    "no",
    "on",
    "~",
    "NaN",
    "None",
    "undefined",
    "0x10",
    "1_000",
    "12:30:45",
    "2026-11-20",
    "- item",
    "key: value",
    "&anchor *alias",
    "!!python/object/apply:os.system ['id']",
    "{flow: [mapping]}",
    "> folded\n  text",
    "%YAML 1.2",
    "---",
    "...",
)
"""What YAML or JSON would take for something else than a text."""

CONTROL: Final = (
    "nul\x00in the middle",
    "bell\x07 back\x08space \x7f delete \x85 next",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;a title of its own\x07",
    "\x1b]8;;https://hostile.invalid/\x1b\\a link\x1b]8;;\x1b\\",
    "line\nfeed",
    "carriage\rreturn",
    "line\r\nend",
    "tab\tstop",
    "\x0b vertical \x0c form",
    "abc\u202etxt.exe",
    "\u2066isolated\u2069 \u200fmark\u200e",
    "zero\u200bwidth\u200djoiner\ufeffmark",
    "soft\u00adhyphen",
    "cafe\u0301 and caf\u00e9",
    "z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034dalgo",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ufffd\uffff\ufdd0",
    "\U000e0041\U000e0042 tags",
)
"""Control characters, sequences for terminals, direction marks, what looks like something else or like nothing."""

NAMES: Final = (
    "xn--80ak6aa92e.com",
    "pypi.org.hostile.invalid",
    "pypi.org\x00.hostile.invalid",
    "pyp\u0456.org",
    "PYPI.ORG\u3002",
    "\u212aernel.org",
    "*.com",
    "*",
    "",
    " ",
    "\u00a0",
    ".",
    "..",
    "../../../../etc/passwd",
    "..\\..\\windows\\system32",
    "/absolute/path",
    "C:\\con\\aux",
    "\\\\hostile.invalid\\share",
    "file:///etc/passwd",
    "CON",
    "con.txt:stream",
    "a/../b",
    "%2e%2e%2f",
    "%s%s%n %d {0} {} {x!r}",
    "a" * 5_000,
    "wide " * 400,
    "W" * 250 + "<script>",
)
"""Names that are none, or not what they look like; paths that lead elsewhere; texts without an end."""

HOSTILE: Final[tuple[str, ...]] = (
    *PAGE, *SCRIPT, *TEMPLATE, *SHELL, *SHEET, *PLAIN, *CONTROL, *NAMES,
)  # fmt: skip
