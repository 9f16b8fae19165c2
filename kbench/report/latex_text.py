"""Text in LaTeX: everything escaped, ASCII only, so that any engine and encoding can read it."""

import re
import unicodedata

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"''",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "÷": r"$\div$",
    "·": r"$\cdot$",
    "\N{MINUS SIGN}": r"$-$",
    "°": r"$^\circ$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≠": r"$\ne$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "∈": r"$\in$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "\N{EN DASH}": r"--",
    "—": r"---",
    "…": r"\ldots{}",
    "\N{LEFT SINGLE QUOTATION MARK}": r"`",
    "\N{RIGHT SINGLE QUOTATION MARK}": r"'",
    "“": r"``",
    "”": r"''",
    "•": r"\textbullet{}",
    "§": r"\S{}",
    "†": r"$^\dagger$",
    "\N{DOUBLE DAGGER}": r"$^\ddagger$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "\N{LATIN SMALL LETTER DOTLESS I}": r"\i{}",
    "\u00a0": "~",
    "\u2009": r"\,",
}
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
    "\u0328": "k",
}
GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (\w+)\Z")
# Capitals that look like Latin ones have no command; Unicode spells lambda without b.
CAPITALS = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
SPELLINGS = {"lamda": "lambda", "omicron": ""}
# Fonts join these into one dash or one quotation mark.
LIGATURES = re.compile(r"-(?=-)|'(?=')")
SPACES = re.compile(r"[\s\x00-\x1f\x7f]+")
NAME = re.compile(r"[^A-Za-z0-9.+=:_/-]+")


def escape(text: str) -> str:
    """Return text that LaTeX sets as it is.

    A character without a LaTeX form is shown by its code point, as in `[U+4E2D]`.
    """
    plain = LIGATURES.sub(lambda match: f"{match[0]}\0", SPACES.sub(" ", text).strip())
    return "".join(map(_character, plain))


def macro_name(*parts: str) -> str:
    """Return a name for a macro: parts joined by dots, odd characters replaced by `-`."""
    return ".".join(NAME.sub("-", part.strip()) or "-" for part in parts)


def _character(character: str) -> str:
    if character == "\0":
        return "{}"
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii():
        return character
    return _greek(character) or _decomposed(character) or f"[U+{ord(character):04X}]"


def _greek(character: str) -> str:
    """Return a Greek letter in mathematics, or nothing."""
    match = GREEK.match(unicodedata.name(character, ""))
    if match is None:
        return ""
    name = SPELLINGS.get(match[2].lower(), match[2].lower())
    if match[1] == "CAPITAL":
        name = name.capitalize() if name.capitalize() in CAPITALS.split() else ""
    return rf"$\{name}$" if name else ""


def _decomposed(character: str) -> str:
    """Return a letter with its accent, a raised or lowered digit, or nothing."""
    form, _, rest = unicodedata.decomposition(character).rpartition("> ")
    codes = [chr(int(code, 16)) for code in rest.split()]
    if codes == ["\N{GREEK SMALL LETTER MU}"]:
        return r"$\mu$"
    if len(codes) == 1 and codes[0].isascii():
        wrap = {"<super": r"\textsuperscript{%s}", "<sub": r"\textsubscript{%s}"}
        return wrap.get(form, "%s") % escape(codes[0])
    if len(codes) == 2 and codes[1] in ACCENTS and not form:
        base = _character(codes[0])
        return rf"\{ACCENTS[codes[1]]}{{{base}}}"
    return ""
