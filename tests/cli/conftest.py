import pytest


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a file, a folder and small tables; made the current one."""
    (tmp_path / "afile").write_text("precious")
    (tmp_path / "adir").mkdir()
    (tmp_path / "adir" / "thesis.txt").write_text("precious")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("a,b,target\n")
    (tmp_path / "one.csv").write_text("a,b,target\n1,2,x\n")
    (tmp_path / "same.csv").write_text("a,b,target\n" + "1,2,x\n3,5,x\n" * 20)
    rows = "".join(f"{i * 7 % 11},{i * 5 % 13},{'xy'[i % 2]}\n" for i in range(40))
    (tmp_path / "two.csv").write_text(f"a,b,kind\n{rows}")
    (tmp_path / "gap.csv").write_text(f"a,b,kind\n,1,x\n{rows}")
    (tmp_path / "text.txt").write_text("a b c")
    monkeypatch.chdir(tmp_path)
    return tmp_path
