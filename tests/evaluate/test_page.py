"""The page of a report: whole or not there, sound HTML, nothing from elsewhere, the right numbers, legible."""

import html.parser
import math
import os
import re
import xml.etree.ElementTree
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from logitloss.evaluate import score
from logitloss.evaluate.compare import compare

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from logitloss.evaluate.display import figures, numbers, page
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Estimate, Group

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$x^2$ & {{ 7 * 7 }}",
    "日本 ✈ long " * 20,
    "line\nbreak \x1b[31m \x00",
    '#1b1b1b id="a" url(#b) -->',
    None,
]
VOID = {"meta", "br", "img", "link", "input", "hr", "path", "use", "rect"}


def predictions(n=3000, seed=0, **columns):
    r = np.random.default_rng(seed)
    logits = r.normal(-1, 1.5, n).astype(np.float32)
    labels = r.random(n) < 1 / (1 + np.exp(-logits.astype(float)))
    table = {"x": logits, "z": labels, "key": r.choice(["A", "B", "C", "D"], n), "w": r.random(n)}
    return pa.table(table | columns)


def report_of(table=None, *, by="key", **options):
    return score(predictions() if table is None else table, logits="x", labels="z", by=by, **options)


def written(report, tmp_path):
    report.save(tmp_path / "report.html")
    return (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    report = report_of()
    return report, written(report, tmp_path_factory.mktemp("page"))


class Outline(html.parser.HTMLParser):
    """The tags with their attributes, and that each one is closed where it should be."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), attrs
        self.tags.append((tag, dict(attrs), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), tuple(self.open)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((tuple(self.open[-1:]), data))

    def all(self, *names):
        return [(tag, attrs, inside) for tag, attrs, inside in self.tags if tag in names]


def cells(text):
    """The rows of the table of groups, the head first, as text."""
    section = text[text.index('id="logitloss-groups-1"') :]
    table = section[section.index("<table>") : section.index("</table>")]
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    return [[html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def test_the_page_depends_on_the_rows_alone(usual):
    table = predictions()
    order = np.random.default_rng(1).permutation(len(table))
    parts = [table.take(order[:100]), table.take(order[100:])]
    assert page.fragment(report_of(parts)) == page.fragment(replace(usual[0], sources=report_of(parts).sources))


# --- the form --------------------------------------------------------------------------------------------------------


def sound(text):
    """Assert what holds for every page."""
    outline = Outline(text)
    ids = [attrs["id"] for _, attrs, _ in outline.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    for _, attrs, _ in outline.tags:
        assert set(attrs.get("aria-labelledby", "").split()) <= set(ids)
        for name, value in attrs.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "data", "action")
            assert "href" not in name or (value[0] == "#" and value[1:] in ids)
            assert value is None or not re.search(r"url\((?!#)", value)
            for reference in re.findall(r"url\(#(.*?)\)", value or ""):
                assert reference in ids
    assert not outline.all("script", "link", "iframe", "img", "object", "base")
    assert "@import" not in text
    assert "url(" not in text[text.index("<style>") : text.index("</style>")]
    for _, attrs, _ in outline.all("th"):
        assert attrs.get("scope") in ("col", "row")
    for table in re.findall(r"<table>.*?</table>", text, re.DOTALL):
        assert "<caption>" in table
        assert table.count("<thead>") == 1
        widths = {len(re.findall(r"<t[hd][ >]", row)) for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)}
        assert len(widths) == 1
    headings = [int(tag[1]) for tag, _, _ in outline.all("h1", "h2", "h3", "h4")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert set(headings) <= {1, 2}
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == len(outline.all("figure")) == len(outline.all("figcaption"))
    for drawing in drawings:
        root = xml.etree.ElementTree.fromstring(drawing)
        assert root.get("role") == "img"
        title, description = (root.find(f"{{http://www.w3.org/2000/svg}}{name}") for name in ("title", "desc"))
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert len(title.text) > 10
        assert len(description.text) > 30
        for tag in re.findall(r"<[^>]+>", drawing):  # each colour is one of the theme's
            assert not re.search(r"#[0-9a-f]{6}", re.sub(r'id="[^"]*"|url\([^)]*\)|href="[^"]*"', "", tag))
        assert re.search(r"<text", drawing)  # not drawn as outlines
    return outline


def test_the_page_is_sound(usual):
    outline = sound(usual[1])
    assert usual[1].startswith('<!doctype html>\n<html lang="en">')
    (_, viewport, _), *_ = [one for one in outline.all("meta") if one[1].get("name") == "viewport"]
    assert viewport["content"] == "width=device-width, initial-scale=1"
    assert len(outline.all("main")) == 1
    assert len(outline.all("figure")) == 3
    assert [text for (inside,), text in (t for t in outline.texts if t[0]) if inside == "h2"] == [
        "Is it calibrated?",
        "Where the loss comes from",
        "Which losses occur",
        "By key",
        "The worst groups",
        "The numbers",
        "What the words mean",
    ]
    assert "default-src 'none'" in usual[1]  # a browser would refuse to load anything
    headings = {attrs["id"] for _, attrs, _ in outline.all("h2")}
    assert headings == {attrs["aria-labelledby"] for _, attrs, _ in outline.all("section")}  # regions with names
    assert len(headings) == 7
    assert "local" in re.search(r"\.scroll \{(.*?)\}", usual[1], re.DOTALL).group(1)
    for _, attrs, inside in outline.all("div"):
        if attrs.get("class") == "scroll":  # what can be scrolled can be reached by keys, and has a name and a cue
            assert (attrs["role"], attrs["tabindex"]) == ("region", "0")
            assert attrs["aria-label"]
            assert "main" in inside
    assert len(usual[1]) < 150_000


def test_the_test_of_soundness_can_fail(usual):
    for bad in (
        '<img src="https://example.org/x.png">',
        '<p id="a"></p><p id="a"></p>',
        "<table></table>",
        "<p><b></p>",
    ):
        with pytest.raises((AssertionError, KeyError)):
            sound(usual[1].replace("<header>", bad + "<header>"))


@pytest.mark.parametrize("whole", [True, False])
def test_keys_and_names_are_text_whatever_they_hold(tmp_path, whole):
    n = 600
    keys = np.array(EVIL, object)[np.arange(n) % len(EVIL)]
    table = predictions(n, key=keys).rename_columns(["x", "z", EVIL[0], "w"])
    report = replace(report_of(table, by=[EVIL[0]]), sources=(EVIL[1],), logits=EVIL[0], labels=EVIL[0])
    text = written(report, tmp_path) if whole else page.fragment(report)
    outline = sound(text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\x1b" not in text
    assert "\x00" not in text
    shown = "".join(data for _, data in outline.texts)
    for key in (
        "<script>alert(1)</script>",
        "$x^2$ & {{ 7 * 7 }}",
        r"line\nbreak \x1b[31m \x00",
        "(null)",
        EVIL[5],
        "日本 ✈",
    ):
        assert key in shown
    assert "49" not in [row[0] for row in cells(text)]


def test_labels_in_a_figure_are_the_keys_shortened_where_they_are_long(usual):
    overall = usual[0].overall
    drawn = figures.svg(
        figures.worst([Group((key,), overall, Estimate(0.0, 0.1)) for key in EVIL], overall), "title", "description"
    )
    texts = [one.text for one in xml.etree.ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    labels = [cell(key) for key in EVIL]
    assert [label if len(label) <= 18 else label[:17] + "…" for label in labels] == [
        text for text in texts if text and text[:5] in {label[:5] for label in labels}
    ]


def test_names_that_are_no_text(tmp_path, usual):
    report = replace(usual[0], sources=(os.fsdecode(b"\xff.parquet"),))
    assert r"\udcff.parquet" in written(report, tmp_path)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_in_both_themes(usual):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    light, dark = usual[1][usual[1].index("<style>") : usual[1].index("</style>")].split(
        "@media (prefers-color-scheme: dark)"
    )
    for theme in (light, dark):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", theme))
        for name in ("ink", "faint", "blue", "orange"):
            assert contrast(colours[name], colours["paper"]) >= 4.5, (name, colours)


# --- the words and numbers -------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_report(usual):
    report, text = usual
    head, *rows, everything = cells(text)
    assert head == [
        *("key", "rows", "mean loss", "± s.e.", "contribution", "± its s.e.", "base-rate loss", "skill"),
        *("mean label", "mean prediction", "predictions are"),
    ]
    contributions = [float(row[4].replace("−", "-")) for row in rows]
    assert contributions == sorted(contributions, reverse=True)
    assert sum(contributions) == pytest.approx(0, abs=1e-3)
    by_key = {group.key[0]: group.score for group in report.groups}
    for row in rows:
        one = by_key[row[0]]
        assert row[1:4] == [f"{one.rows:,}", f"{one.mean_loss:#.4g}", f"{one.standard_error:#.2g}"]
        assert row[6:8] == [f"{one.base_loss:#.4g}", f"{one.skill:.3f}".replace("-", "−")]
        assert row[8:10] == [f"{one.mean_label:.1%}", f"{one.mean_probability:.1%}"]
    overall = report.overall
    assert everything[:4] == ["all", "3,000", f"{overall.mean_loss:#.4g}", f"{overall.standard_error:#.2g}"]
    headline = re.search(r"<h1>(.*)</h1>", text).group(1)
    assert f"gives what happened a probability of {math.exp(-overall.mean_loss):.1%} on average" in headline
    section = text[text.index("Where the loss comes from") : text.index("Which losses occur")]
    parts = re.findall(r"(uncertainty|discrimination|miscalibration|mean\xa0loss)</th><td>(.*?)</td>", section)
    values = [float(value.replace("−", "-")) for _, value in parts]
    assert len(values) == 4
    assert sum(values[:3]) == pytest.approx(values[3], abs=2e-5)
    assert values[3] == pytest.approx(overall.mean_loss, abs=1e-5)


def legends(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_each_figure_has_a_legend(usual):
    report = usual[0]
    assert legends(report.plot()) == ["perfect calibration", "best monotone recalibration", "observed, 95% interval"]
    assert legends(figures.losses(report.losses, report.overall)) == ["mean loss", "rows"]
    worst = ["mean loss of all rows", "mean, 95% interval", "mean prediction"]
    assert legends(figures.worst(report.groups, report.overall)) == worst


def test_the_curve_is_drawn_where_there_are_points(usual):
    axes = usual[0].plot().axes[0]
    (curve,) = [line for line in axes.lines if line.get_label() == "best monotone recalibration"]
    points = next(c for c in axes.containers if c.get_label() == "observed, 95% interval").lines[0].get_xdata()
    assert points.min() <= curve.get_xdata().min() <= curve.get_xdata().max() <= points.max()
    assert len(usual[0].bins.rows) > len(curve.get_xdata())  # the test can fail: some bins are beyond


def test_the_page_of_a_comparison(tmp_path):
    table = predictions()
    other = table.append_column("y", pa.array(table["x"].to_numpy() * np.float32(1.5)))
    result = compare(other, logits="x", other_logits="y", labels="z", by="key")
    result.save(tmp_path / "c.html")
    text = (tmp_path / "c.html").read_text()
    sound(text)
    assert "<h1>The model is better than the other: it gives what happened a probability of" in text
    head, *rows, everything = cells(text)
    assert head == [
        *("key", "rows", "mean loss", "other loss", "difference", "its 95% interval", "contribution", "± its s.e."),
    ]
    assert len(rows) == 4
    low, high = result.overall.interval()
    assert everything[5] == f"{numbers.signed(low)} to {numbers.signed(high)}"
    assert float(everything[4].replace("−", "-")) == pytest.approx(result.overall.difference, rel=0.05)


@pytest.mark.parametrize("options", [{}, {"by": ()}, {"weights": "w"}, {"classes": True}])
def test_only_terms_that_are_shown_are_explained(options):
    table = predictions()
    if options.pop("classes", False):
        lists = [[0.0, float(x)] for x in table["x"].to_numpy()]
        table = table.set_column(0, "x", pa.array(lists)).set_column(
            1, "z", pa.array(table["z"].to_numpy().astype(int))
        )
    text = page.whole(report_of(table, **options))
    shown, explained = text[text.index("<body") : text.index("<dl>")], text[text.index("<dl>") :]
    terms = re.findall(r"<dt>(.*?)</dt>", explained)
    assert len(terms) >= 3
    for term in terms:
        for word in term.replace("base rate", "base-rate").split(", "):
            assert word in shown, word


def test_a_title_on_request(tmp_path, usual):
    plain, titled = (page.whole(usual[0], title) for title in (None, "Arrivals <2013>"))
    assert '<p class="title">Arrivals &lt;2013&gt;</p>' in titled
    assert "<title>Arrivals &lt;2013&gt;: The model gives" in titled
    assert 'class="title"' not in plain


def test_weights_have_a_column_where_there_are_any():
    head, *rows = cells(page.fragment(report_of(weights="w")))
    assert head[:3] == ["key", "rows", "weight"]
    assert all(len(row) == len(head) for row in rows)


@pytest.mark.parametrize(
    ("labels", "logits", "words"),
    [
        ([1, 0], [np.inf, 2.0], "gives 50.0%, which is no worse"),
        ([1, 0], [-np.inf, 2.0], "The mean loss is infinite"),
        ([1, 1], [1.0, 2.0], "all labels are the same"),
        ([0], [-3.0], "all labels are the same"),
        ([1, 0], [0.0, 0.0], "gives 50.0%, which is no worse"),
        ([1, 0], [800.0, -800.0], "a probability of 100.0% on average"),
        ([1, 0, 1], [40.0, -40.0, -40.0], "a probability of 0.00016% on average"),
    ],
)
@pytest.mark.parametrize("by", [(), "key"])
def test_odd_rows(tmp_path, labels, logits, words, by):
    keys = list("abc")[: len(labels)]
    report = report_of(pa.table({"x": logits, "z": labels, "key": keys}), by=by)
    text = written(report, tmp_path)
    sound(text)
    assert words in re.search(r"<h1>(.*)</h1>", text).group(1)
    axes = page.plot(report).axes[0]
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        assert low < high
        assert len(axis.get_ticklocs()) > 0
        assert ((low < axis.get_ticklocs()) & (axis.get_ticklocs() < high)).all()


def test_classes_have_no_labels_between_and_no_diagram(tmp_path):
    table = pa.table({"x": [[0.0, 1.0, 2.0], [3.0, 1.0, -1.0]] * 10, "z": [2, 1] * 10, "key": ["a", "b"] * 10})
    report = report_of(table)
    text = written(report, tmp_path)
    sound(text)
    assert cells(text)[0][-1] == "skill"
    assert "Is it calibrated?" not in text
    with pytest.raises(ValueError, match="have no reliability diagram; score each class"):
        page.plot(report)


def test_an_undefined_mean_says_so(usual):
    overall = replace(usual[0].overall, mean_loss=math.nan, standard_error=math.nan, skill=math.nan)
    text = page.fragment(replace(usual[0], overall=overall))
    assert "<h1>The mean loss is undefined" in text


def test_a_group_without_weight_comes_last(usual):
    nothing = replace(usual[0].overall, weight=0.0, mean_loss=math.nan, mean_label=math.nan, mean_probability=math.nan)
    groups = (Group(("none",), nothing, Estimate(math.nan, math.nan)), *usual[0].groups)
    rows = cells(page.fragment(replace(usual[0], groups=groups)))
    assert rows[-2][0] == "none"
    assert "n/a" in rows[-2]


def test_of_very_many_groups_the_worst_are_shown(tmp_path):
    n = 5000
    report = report_of(predictions(n, key=np.arange(n) % 1000))
    text = written(report, tmp_path)
    sound(text)
    assert len(cells(text)) == 1 + 10 + 1  # head, the worst, all rows
    assert "The worst 10 of 1,000 groups" in text
    folded = text[text.index("<summary>The other 990 groups</summary>") :]
    assert folded[: folded.index("</table>")].count("<tr>") == 1 + 990
    assert len(text) < 400_000


def test_more_groups_than_a_page_holds(tmp_path):
    n = 1500
    report = report_of(predictions(n, key=np.arange(n)))
    text = written(report, tmp_path)
    sound(text)
    assert "<summary>The next 990 groups; --format csv gives all 1,500</summary>" in text
    assert text.count('class="text">') < 1100


def test_what_was_left_out_is_said(usual):
    text = page.fragment(
        replace(
            usual[0],
            skipped={"labels that are missing": 1234, "none": 0},
            zeros=2,
            ones=3,
            sources=("a", "b", "c", "d", "e"),
        )
    )
    assert "1,234 rows (29.1% of all) could not be scored and are left out: 1,234 labels that are missing." in text
    assert "5 given probabilities are exactly 0 or 1;" in text
    assert "a, b, c and 2 more" in text


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0])
def test_the_verdict_on_predictions(shift):
    table = predictions()
    shifted = table.set_column(0, "x", pa.array(table["x"].to_numpy() + np.float32(shift)))
    rows = cells(page.fragment(report_of(shifted)))
    want = {-1.0: {"too low"}, 0.0: {"within chance"}, 1.0: {"too high"}}[shift]
    assert {row[-1] for row in rows[1:]} == want


def test_a_notebook_shows_the_fragment_and_the_figure(usual):
    text = usual[0]._repr_html_()
    assert text == page.fragment(usual[0])
    sound(text)
    assert text.startswith("<style>")
    assert not re.search(r"<(html|body|main|head)[ >]", text)
    assert usual[0].plot().axes[0].get_ylabel() == "observed"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *((0.0, "0.0%"), (1.0, "100.0%"), (0.2371, "23.7%"), (-0.467, "−46.7%"), (1.5, "150.0%"), (0.001, "0.1%")),
        *(
            (0.00034, "0.034%"),
            (1.5e-8, "0.0000015%"),
            (0.9996, "99.96%"),
            (1 - 2e-7, "99.99998%"),
            (-2e-5, "−0.0020%"),
        ),
        (math.nan, "n/a"),
    ],
)
def test_shares_have_the_digits_that_tell_them_from_0_and_1(share, text):
    assert numbers.percent(share) == text


@pytest.mark.parametrize(
    ("value", "two", "four"),
    [
        *((0.0, "0", "0"), (0.00098, "0.00098", "0.0009800"), (4.2e-5, "0.000042", "0.00004200")),
        *(
            (12.3456, "12", "12.35"),
            (math.inf, "infinite", "infinite"),
            (-math.inf, "−infinite", "−infinite"),
            (math.nan, "n/a", "n/a"),
        ),
        *((-0.5, "−0.50", "−0.5000"), (1e-9, "1.0e−09", "1.000e−09")),
    ],
)
def test_losses_have_two_or_four_digits(value, two, four):
    assert (numbers.error(value), numbers.nats(value)) == (two, four)
