import pytest

from napari_sam2.movies.units import conversion, find_unit, ome_symbol, unit_name

# the enumerations UnitsLength and UnitsTime of the OME schema, 2016-06
LENGTHS = (
    "Ym Zm Em Pm Tm Gm Mm km hm dam m dm cm mm µm nm pm fm am zm ym Å thou li in ft yd mi ua ly pc "
    "pt"
).split()
TIMES = "Ys Zs Es Ps Ts Gs Ms ks hs das s ds cs ms µs ns ps fs as zs ys min h d".split()


@pytest.mark.parametrize("symbol", LENGTHS + TIMES)
def test_every_unit_of_ome_is_known_and_comes_back(symbol):
    unit = find_unit(symbol)
    assert unit is not None
    assert unit.dimension == ("length" if symbol in LENGTHS else "time")
    assert unit.symbol.isascii()
    assert find_unit(unit.symbol) == find_unit(unit.name) == unit
    assert ome_symbol(unit.symbol) == symbol


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("micron", "um"),
        ("Microns", "um"),
        ("\\u00B5m", "um"),
        ("\N{GREEK SMALL LETTER MU}m", "um"),
        ("micrometer", "um"),
        ("nanometer", "nm"),
        ("Å", "angstrom"),
        ("sec", "s"),
        ("seconds", "s"),
        ("sec.", "s"),
        ("mins", "min"),
        ("hours", "h"),
    ],
)
def test_names_that_programs_write(text, symbol):
    unit = find_unit(text)
    assert unit is not None and unit.symbol == symbol


@pytest.mark.parametrize(
    "text",
    ["", "pixel", "px", "Pixels", "frame", "reference frame", "um^2", "2 um", "gram", "blob"],
)
def test_what_is_no_unit_of_length_or_time(text):
    assert find_unit(text) is None


def test_the_symbols_of_ome_that_pint_reads_as_other_units():
    assert conversion(find_unit("pt").name, "inch") == pytest.approx(1 / 72)
    assert conversion(find_unit("li").name, "inch") == pytest.approx(1 / 12)
    assert conversion(find_unit("ua").name, "meter") == 149597870700
    assert conversion("nm", "um") == 0.001


def test_names_and_symbols_of_units_that_a_format_lacks():
    assert unit_name("um") == "micrometer"
    assert unit_name("") == ""
    assert ome_symbol("") is None
    assert ome_symbol("a") is None  # a year: OME has none
