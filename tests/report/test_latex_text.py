import pytest

from kbench.report.latex_text import escape, macro_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fashion_mnist", r"fashion\_mnist"),
        ("50%", r"50\%"),
        ("a & b", r"a \& b"),
        ("#1 $x$", r"\#1 \$x\$"),
        ("{k}", r"\{k\}"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
        ("\\frac", r"\textbackslash{}frac"),
        ("91 ± 1", r"91 $\pm$ 1"),
        ("3 \N{MULTIPLICATION SIGN} 3", r"3 $\times$ 3"),
        ("\N{MICRO SIGN}s", r"$\mu$s"),
        ("\N{GREEK SMALL LETTER MU} Δ λ", r"$\mu$ $\Delta$ $\lambda$"),
        ("Näher, café", r"N\"{a}her, caf\'{e}"),
        ("10²", r"10\textsuperscript{2}"),
        ("--flag", r"-{}-flag"),
        ("a\n\tb", "a b"),
        ("<|>", r"\textless{}\textbar{}\textgreater{}"),
        ("中", "[U+4E2D]"),
    ],
    ids=str,
)
def test_text_is_escaped(text, expected):
    assert escape(text) == expected


def test_every_character_becomes_ascii():
    assert escape("".join(map(chr, range(32, 0x3000)))).isascii()


def test_macro_names_hold_only_what_a_macro_can_be_called_by():
    assert macro_name("lc-table1", "t", "3 ± 3/λ", "lc_E=8%") == "lc-table1.t.3-3/-.lc_E=8-"
