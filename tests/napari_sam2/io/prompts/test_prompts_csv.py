import numpy as np
import pytest

from napari_sam2.io.prompts.object_prompts import ObjectPrompts
from napari_sam2.io.prompts.prompts_csv import read_prompts_csv, write_prompts_csv
from napari_sam2.movies.movie import Movie
from sam2_torch.prompts import BoxPrompt, MaskPrompt, PointPrompt

HEADER = "object,frame,kind,y,x,label,y1,x1\n"
MOVIE = Movie(np.zeros((5, 40, 60), np.uint8))


@pytest.fixture
def table(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "prompts.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write


def test_rows_of_one_object_in_one_frame_belong_together(table):
    path = table(
        HEADER
        + "2,0,point,10,50.5,1,,\n"
        + "1,3,point,4,5,1,,\n"
        + "2,0,box,5,40,,15,59\n"
        + "2,0,point,11,20,0,,\n"
    )
    first, second = read_prompts_csv(path, MOVIE)
    assert (first.object_id, first.frame) == (2, 0)
    assert (second.object_id, second.frame) == (1, 3)
    box, points = first.prompts
    assert box == BoxPrompt(5, 40, 15, 59)
    np.testing.assert_array_equal(points.points_yx, [[10, 50.5], [11, 20]])
    np.testing.assert_array_equal(points.labels, [1, 0])


@pytest.mark.parametrize(
    "text",
    [
        "object,frame,kind,y,x\n1,0,point,4,5\n",
        "kind, x, y, frame, object\npoint, 5, 4, 0, 1\n\n",
        "Object;Frame;Kind;Y;X;Label\n1.0;0;Point;4;5;1.0\n",
        "\ufeff" + HEADER + "1,0,point,4,5,1,,\n,,,,,,,\n",
    ],
)
def test_what_spreadsheets_make_of_it_is_read(table, text):
    (said,) = read_prompts_csv(table(text))
    np.testing.assert_array_equal(said.prompts[0].points_yx, [[4, 5]])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,0,point,4,5,1,,", r"column object: expected a whole number, 1 or more, found '0'"),
        ("a,0,point,4,5,1,,", "column object: expected a whole number, 1 or more, found 'a'"),
        ("1,-1,point,4,5,1,,", "column frame: expected a whole number, 0 or more, found '-1'"),
        ("1,1.5,point,4,5,1,,", "column frame: expected a whole number"),
        ("1,5,point,4,5,1,,", r"column frame: expected a frame of the movie \(0\.\.4\), found '5'"),
        ("1,0,circle,4,5,1,,", "column kind: expected point or box, found 'circle'"),
        ("1,0,point,,5,1,,", "column y: expected a number of pixels, found ''"),
        ("1,0,point,4,nan,1,,", "column x: expected a number of pixels, found 'nan'"),
        ("1,0,point,40,5,1,,", r"column y: expected a pixel of the image \(0\.\.39\), found '40'"),
        ("1,0,point,4,60,1,,", r"column x: expected a pixel of the image \(0\.\.59\)"),
        ("1,0,point,4,5,2,,", r"column label: expected 1 \(inside\) or 0 \(outside\), found '2'"),
        ("1,0,box,4,5,,9,", "column x1: expected a number of pixels, found ''"),
        ("1,0,box,4,5,,4,5", "column y1: expected a corner other than y, x"),
        ("1,0,point", "column y: expected a number of pixels"),
    ],
)
def test_errors_say_where(table, row, message):
    with pytest.raises(ValueError, match=r"prompts\.csv, line 2, " + message):
        read_prompts_csv(table(HEADER + row + "\n"), MOVIE)


def test_the_line_is_that_of_the_file(table):
    with pytest.raises(ValueError, match="line 4, column y"):
        read_prompts_csv(table(HEADER + "1,0,point,4,5,1,,\n\n1,1,point,z,5,1,,\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the header object,frame,kind"),
        ("a,b,c\n1,2,3\n", "line 1: expected the header .* without object, frame, kind, y, x"),
        (HEADER, "expected at least one prompt below the header"),
    ],
)
def test_what_is_no_table_is_said(table, text, message):
    with pytest.raises(ValueError, match=message):
        read_prompts_csv(table(text))


def test_what_is_no_text_is_said(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_bytes(b"\xff\xfe\x00\x01\x80")
    with pytest.raises(ValueError, match="expected a CSV file in UTF-8"):
        read_prompts_csv(path)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "prompts.csv"
    said = [
        ObjectPrompts(1, 0, (PointPrompt([(4, 5.25), (6, 7)], [1, 0]),)),
        ObjectPrompts(2, 1, (BoxPrompt(1, 2, 3.5, 4),)),
    ]
    write_prompts_csv(path, said)
    first, second = read_prompts_csv(path)
    np.testing.assert_array_equal(first.prompts[0].points_yx, [[4, 5.25], [6, 7]])
    np.testing.assert_array_equal(first.prompts[0].labels, [1, 0])
    assert second.prompts == said[1].prompts


def test_a_mask_has_no_row(tmp_path):
    with pytest.raises(ValueError, match="a mask has no row"):
        write_prompts_csv(tmp_path / "p.csv", [ObjectPrompts(1, 0, (MaskPrompt(np.ones((4, 5))),))])
    assert not list(tmp_path.iterdir())


def test_planes_of_a_movie_of_stacks(tmp_path):
    movie = Movie(np.zeros((3, 4, 40, 60)), "TZYX")
    path = tmp_path / "prompts.csv"
    path.write_text("object,frame,z,kind,y,x\n1,2,3,point,4,5\n")
    assert read_prompts_csv(path, movie)[0].frame == 11
    for row, wrong in (("1,3,0", "frame"), ("1,0,4", "z"), ("1,0,", "z")):
        path.write_text(f"object,frame,z,kind,y,x\n{row},point,4,5\n")
        with pytest.raises(ValueError, match=f"line 2, column {wrong}: expected"):
            read_prompts_csv(path, movie)
