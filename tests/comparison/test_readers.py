"""Files of the user's own are read right, and refused with the place of the fault."""

import gzip
import zipfile

import numpy as np
import pytest

from amiss.comparison.archives import read_npz
from amiss.comparison.idx import read_idx, read_idx_folder
from amiss.comparison.tables import read_table
from amiss.core.errors import AmissError, DomainError, ParameterError, ShapeError


def table(tmp_path, text, **options):
    file = tmp_path / "table.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(file, **options)


class TestCsv:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_delimiters(self, tmp_path, delimiter):
        text = "a,b,target\n1,2,0\n3,4,1\n".replace(",", delimiter)
        read = table(tmp_path, text)
        assert read.x.tolist() == [[1, 2], [3, 4]]
        assert read.y.tolist() == [0, 1]
        assert read.features == ("a", "b")

    @pytest.mark.parametrize(
        "text",
        [
            "\ufeffa,b\n1,0\n2,1\n",
            "a,b\r\n1,0\r\n2,1\r\n",
            '"a","b"\n"1","0"\n"2","1"\n',
            "a,b\n\n1,0\n , \n2,1",
            "a , b\n 1 , 0 \n 2,1\n",
            gzip.compress(b"a,b\n1,0\n2,1\n", mtime=0),
        ],
        ids=["mark", "crlf", "quoted", "blank lines", "spaces", "gzip"],
    )
    def test_ways_to_write_the_same_table(self, tmp_path, text):
        read = table(tmp_path, text)
        assert read.features == ("a",)
        assert (read.x.tolist(), read.y.tolist()) == ([[1], [2]], [0, 1])

    def test_without_a_header(self, tmp_path):
        read = table(tmp_path, "5.1,3.5,setosa\n4.9,3.0,virginica\n")
        assert read.x.shape == (2, 2)
        assert read.features == ("column 1", "column 2")
        assert read.y.tolist() == ["setosa", "virginica"]

    def test_the_target_is_named_counted_or_usual_or_last(self, tmp_path):
        text = "a,y,b\n1,2,3\n4,5,6\n"
        assert table(tmp_path, text).target == "y"
        assert table(tmp_path, text, target="a").y.tolist() == [1, 4]
        assert table(tmp_path, text, target="3").y.tolist() == [3, 6]
        assert table(tmp_path, "a,b\n1,2\n4,5\n").target == "b"
        with pytest.raises(ParameterError, match=r"'hight', which is not there\. Did you mean 'height'"):
            table(tmp_path, "height,b\n1,2\n4,5\n", target="hight")
        with pytest.raises(ParameterError, match="twice"):
            table(tmp_path, "a,a\n1,2\n4,5\n", target="a")

    def test_numbers_can_be_taken_as_names_of_classes(self, tmp_path):
        assert table(tmp_path, "a,b\n1,1\n2,2\n3,10+\n", text_target=True).y.tolist() == ["1", "2", "10+"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a,b,c\n1,2,3\n1,2,3,4\n", "line 3 must have 3 cells, as the first line has; it has 4"),
            ("a,b,c\n1,2,3\n1,2\n", "line 3 must have 3 cells"),
            ("age,b\n1,2\nabc,2\n", "line 3 column 'age' must be a finite number; 'abc' is not one"),
            ("age,b\n1,2\n,2\n", "line 3 column 'age' must be a finite number; it is empty"),
            ("age,b\n1,2\nnan,2\n", "'nan' is not one"),
            ("age,b\n1,2\n1e999,2\n", "'1e999' is not one"),
            ("age,b\n1,2\n1_0,2\n", "'1_0' is not one"),
            ("age,b\nyears,kg\n1,2\n3,4\n", "line 2 column 'age'.*one header line only"),
            ("age;b\n1,5;2\n1,5;3\n", "Write 0.5, not 0,5"),
            ("a,b\n1,2\n2,\n", "line 3 column 'b' must hold a target; it is empty"),
            ("a,b\n1,2\n2,nan\n", "line 3 column 'b' must hold a target; it is 'nan'"),
            ("a,b\n1,2\n2,3\n3,x\n", "line 4 column 'b' must be a finite number, as most.*'x' is not one"),
            ("150,4,setosa\n5.1,3.5,0\n", "line 1 must hold names only, or data only"),
            (",a,b\n0,1,2\n1,2,3\n2,3,4\n", "column 1 must be a feature.*index=False"),
            ("a\n1\n2\n", "it has 1 column"),
            ("a,b\n", "at least two lines"),
            ("", "at least two lines"),
            ("\n\n\n", "at least two lines"),
            ('a,b\n1,"2\n3,4\n', "Check its quotes"),
            (b"a,b\n1,\xff\n", "UTF-8 text; byte 0xff is not"),
            ("a,b\n1,2\n".encode("utf-16"), "UTF-8"),
            (gzip.compress(b"a,b\n" + b"1,2\n" * 99, mtime=0)[:-9], "must be complete; it ends early"),
            (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-8] + b"\0" * 8, "must be undamaged; CRC"),
        ],
    )
    def test_a_fault_is_named_with_its_place(self, tmp_path, text, message):
        with pytest.raises(AmissError, match=message) as caught:
            table(tmp_path, text)
        assert "table.csv" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_line_without_end(self, tmp_path):
        with pytest.raises(DomainError, match=r"line 2 must have at most 16\.0 MiB"):
            table(tmp_path, b"a,b\n" + b"1" * (17 << 20))

    def test_a_small_file_that_expands_without_end(self, tmp_path):
        with pytest.raises(DomainError, match="expand to at most 100 times"):
            table(tmp_path, gzip.compress(b"a,b\n" + (b" " * 65535 + b"\n") * 1100, mtime=0))

    def test_a_line_break_in_quotes_counts(self, tmp_path):
        with pytest.raises(DomainError, match="line 4 column 'a'"):
            table(tmp_path, 'a,b\n1,"x\ny"\nbad,z\n')


def archive(tmp_path, **arrays):
    file = tmp_path / "set.npz"
    np.savez_compressed(file, **arrays)
    return file


def raw_archive(tmp_path, members, method=zipfile.ZIP_DEFLATED):
    file = tmp_path / "raw.npz"
    with zipfile.ZipFile(file, "w", method) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return file


def npy(header, data=b""):
    text = repr(header).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text + data


X, Y = np.arange(6.0).reshape(3, 2), np.array([0, 1, 0])
GOOD = npy({"descr": "<f8", "fortran_order": False, "shape": (3,)}, b"\0" * 24)


class TestNpz:
    @pytest.mark.parametrize("names", ["x y", "X Y", "data target", "images labels", "x labels", "other y"])
    def test_names_of_arrays(self, tmp_path, names):
        x, y = names.split()
        read = read_npz(archive(tmp_path, **{x: X, y: Y}))
        np.testing.assert_array_equal(read[0], X)
        np.testing.assert_array_equal(read[1], Y)
        assert read[2] is None

    def test_a_split_of_its_own(self, tmp_path):
        x, y, test = read_npz(archive(tmp_path, x_train=X, y_train=Y, x_test=X[:1], y_test=Y[:1]))
        assert (len(x), len(y), len(test[0]), len(test[1])) == (3, 3, 1, 1)

    def test_a_named_target(self, tmp_path):
        file = archive(tmp_path, x=X, y=Y, price=Y + 5)
        assert read_npz(file, "price")[1].tolist() == [5, 6, 5]
        with pytest.raises(ParameterError, match="Did you mean 'price'"):
            read_npz(file, "prise")

    @pytest.mark.parametrize(
        "x", [np.asfortranarray(X), X.astype(">f4"), X > 1, X[:0], X.astype("U3"), X[:, ::-1]]
    )
    def test_layouts_and_types(self, tmp_path, x):
        read = read_npz(archive(tmp_path, x=x, y=Y))[0]
        np.testing.assert_array_equal(read, x)
        assert read.dtype.isnative

    def test_arrays_of_objects_are_not_opened(self, tmp_path):
        file = tmp_path / "set.npz"
        np.savez(file, x=np.array([{}, []], dtype=object), y=Y)
        with pytest.raises(DomainError, match=r"'x\.npy' must hold numbers or text; it holds Python objects"):
            read_npz(file)

    @pytest.mark.parametrize("name", ["../../x.npy", "/x.npy", "a/../../x.npy", "..\\x.npy", "C:\\x.npy"])
    def test_names_that_leave_the_archive(self, tmp_path, name):
        with pytest.raises(DomainError, match="leaves the archive"):
            read_npz(raw_archive(tmp_path, {name: GOOD, "y.npy": GOOD}))

    def test_an_archive_that_expands_without_end(self, tmp_path):
        file = raw_archive(tmp_path, {"x.npy": bytes(70 << 20), "y.npy": GOOD})
        with pytest.raises(DomainError, match=r"expand to at most 100 times its packed size.*70\.0 MiB"):
            read_npz(file)

    def test_a_constant_array_of_moderate_size_is_no_bomb(self, tmp_path):
        assert read_npz(archive(tmp_path, x=np.zeros((3, 1 << 20)), y=Y))[0].shape == (3, 1 << 20)

    @pytest.mark.parametrize(
        ("member", "message"),
        [
            (npy({"descr": "<f8", "fortran_order": False, "shape": (1 << 60,)}), "must hold what its header"),
            (npy({"descr": "<f8", "fortran_order": False, "shape": (9,)}, b"\0" * 8), "end with its data"),
            (npy({"descr": "<f8", "fortran_order": False, "shape": (1,)}, b"\0" * 9), "end with its data"),
            (npy({"descr": "<f8", "fortran_order": False, "shape": (-1,)}, b"\0" * 8), "x.npy"),
            (npy({"descr": "<c8", "fortran_order": False, "shape": (1,)}, b"\0" * 8), "complex64"),
            (
                npy({"descr": [("a", "<f8")], "fortran_order": False, "shape": (1,)}, b"\0" * 8),
                "numbers or text",
            ),
            (npy({"descr": "|S0", "fortran_order": False, "shape": (1 << 60,)}), "numbers or text"),
            (npy({"descr": "|O", "fortran_order": False, "shape": (1,)}, b"cos\nsystem\n"), "Python objects"),
            (npy("exec('1')"), "well formed"),
            (b"PK\3\4", "well formed"),
            (b"", "well formed"),
            (GOOD.replace(b"Y\x01\0", b"Y\x03\0"), "version 1.0 or 2.0"),
        ],
    )
    def test_a_header_is_not_believed(self, tmp_path, member, message):
        with pytest.raises(AmissError, match=message):
            read_npz(raw_archive(tmp_path, {"x.npy": member, "y.npy": GOOD}))

    def test_other_compressions_are_refused(self, tmp_path):
        file = raw_archive(tmp_path, {"x.npy": GOOD, "y.npy": GOOD}, zipfile.ZIP_LZMA)
        with pytest.raises(DomainError, match="stored or deflated"):
            read_npz(file)

    def test_arrays_that_are_not_looked_for(self, tmp_path):
        with pytest.raises(ParameterError, match="it holds 'a', 'b'"):
            read_npz(archive(tmp_path, a=X, b=Y))

    def test_no_archive(self, tmp_path):
        (tmp_path / "x.npz").write_bytes(b"\x80\x04pickle")
        with pytest.raises(DomainError, match=r"x\.npz must be undamaged; File is not a zip file"):
            read_npz(tmp_path / "x.npz")


def idx(kind, shape, data):
    return bytes([0, 0, kind, len(shape)]) + np.array(shape, ">u4").tobytes() + data


def write(path, data):
    path.write_bytes(data)
    return path


class TestIdx:
    @pytest.mark.parametrize("kind", ["u1", "i1", ">i2", ">i4", ">f4", ">f8"])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_types(self, tmp_path, kind, pack):
        code = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}[kind]
        array = np.arange(6).reshape(2, 3).astype(kind)
        read = read_idx(write(tmp_path / "a", pack(idx(code, (2, 3), array.tobytes()))))
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype.newbyteorder("=")

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"\0\0\7\3", "it starts with 00 00 07 03"),
            (b"\x89PNG", "it starts with 89 50 4e 47"),
            (b"\0\0", "ends early"),
            (b"\0\0\x08\3\0\0", "ends early"),
            (idx(8, (30,), b"12"), "must hold what its header announces.*30 items"),
            (idx(8, (3,), b"1234"), "goes on after"),
            (idx(14, (2**31, 2**31, 4), b"1"), "1.3e"),
            (gzip.compress(idx(8, (2**31, 2**31, 4), b"1"), mtime=0), "header announces"),
            (
                gzip.compress(idx(8, (100,), b"1" * 99), mtime=0),
                "must hold 100 bytes of data; it holds 99 bytes",
            ),
            (gzip.compress(idx(8, (3,), b"123"), mtime=0)[:-5], "ends early"),
            (gzip.compress(idx(8, (3,), b"123"), mtime=0)[:-8] + b"\0" * 8, "CRC"),
            (gzip.compress(idx(8, (80 << 20,), bytes(80 << 20)), mtime=0), "expand to at most"),
        ],
    )
    def test_a_header_is_not_believed(self, tmp_path, data, message):
        with pytest.raises(AmissError, match=message) as caught:
            read_idx(write(tmp_path / "some-idx", data))
        assert "some-idx" in str(caught.value)

    def folder(self, tmp_path, images=4, labels=4):
        for split in ("train", "t10k"):
            write(tmp_path / f"{split}-images-idx3-ubyte", idx(8, (images, 4, 4), bytes(16 * images)))
            write(tmp_path / f"{split}-labels-idx1-ubyte", idx(8, (labels,), bytes(labels)))
        return tmp_path

    def test_a_folder(self, tmp_path):
        assert [a.shape for a in read_idx_folder(self.folder(tmp_path))] == [(4, 4, 4), (4,), (4, 4, 4), (4,)]

    def test_packed_and_plain_may_lie_side_by_side(self, tmp_path):
        self.folder(tmp_path)
        plain = (tmp_path / "train-labels-idx1-ubyte").read_bytes()
        write(tmp_path / "train-labels-idx1-ubyte.gz", gzip.compress(plain, mtime=0))
        assert len(read_idx_folder(tmp_path)) == 4

    def test_labels_for_other_images(self, tmp_path):
        with pytest.raises(ShapeError, match=r"images of shape \(4, 4, 4\) and labels of shape \(3,\)"):
            read_idx_folder(self.folder(tmp_path, labels=3))

    def test_two_sets_in_one_folder(self, tmp_path):
        self.folder(tmp_path)
        write(tmp_path / "emnist-train-images-idx3-ubyte", b"")
        with pytest.raises(ParameterError, match="one set of IDX files"):
            read_idx_folder(tmp_path)

    def test_a_missing_file(self, tmp_path):
        (self.folder(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
        with pytest.raises(ParameterError, match="it does not"):
            read_idx_folder(tmp_path)


@pytest.mark.parametrize("read", [read_idx, read_npz, read_table])
@pytest.mark.parametrize("path", ["missing", ".", "/dev/zero"])
def test_what_is_no_file_is_refused(tmp_path, monkeypatch, read, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="must be a file; there is"):
        read(path)
