"""A case that misbehaves costs only itself."""

from __future__ import annotations

from fakes.fake_runtime import EXPECTED

KINDS = {
    "Pass": 13, "Hang": 1, "Abort": 3, "Segv": 3, "Kill": 3, "Exit": 3, "Exhaust": 2,
    "Memory": 2, "Garbage": 2, "Orphan": 2, "Nested": 2, "Rank": 2, "Odd": 2,
}  # fmt: skip

COLUMNS = ("float", "qat-tfmot", "qat-annotate", "prune-tfmot", "prune")


def test_200_cases_of_every_fault_leave_200_right_records_and_no_process(bench) -> None:
    bench.has(**KINDS)
    limits = ("--case-timeout=3", "--case-memory=0.15")
    done = bench.pytest("-n", "2", *limits, f"--techniques={','.join(COLUMNS)}", "-q")
    found = bench.records()
    assert len(found) == 200 == sum(KINDS.values()) * len(COLUMNS), done.stdout[-3000:]
    wrong = []
    for record in found.values():
        kind = record.application.rstrip("0123456789")
        expected = EXPECTED["Pass" if record.technique == "float" else kind]
        signal = record.failure.signal if record.failure else None
        if (record.status, record.label, signal) != expected:
            wrong.append((record.case, record.status, record.label, signal))
        if not record.passed:
            assert record.stage == "transform"
            assert [s.name for s in record.stages] == ["build", "transform"]
    assert wrong == []
    assert bench.left_behind() == []


def test_a_hanging_case_is_asked_where_it_is(bench) -> None:
    bench.has(Hang=1)
    bench.pytest("--case-timeout=0.5", "--techniques=prune")
    output = bench.records()["Hang0-prune-notop"].failure.output
    assert "_deaf_hang" in output


def test_records_and_output_are_free_of_control_characters_and_machine_paths(bench) -> None:
    bench.has(Garbage=1)
    bench.pytest("--techniques=prune")
    text = bench.records()["Garbage0-prune-notop"].to_json()
    assert str(bench.root) not in text
    assert "\\u001b" not in bench.records()["Garbage0-prune-notop"].failure.output
    assert "fake_runtime.py" in text


def test_a_failed_control_blocks_its_row(bench) -> None:
    bench.has(Control=1)
    bench.pytest()
    found = bench.records()
    assert found["Control0-float-notop"].status == "fail"
    others = {r.status for r in found.values() if r.technique != "float"}
    assert others == {"blocked"}


def test_a_runtime_that_cannot_load_is_the_harness_own_fault(bench) -> None:
    (bench.root / "broken_runtime.py").write_text(
        "def check():\n    pass\n\ndef preload():\n    raise ImportError('no such library')\n"
    )
    bench.has(Pass=1)
    done = bench.run("--techniques=float", "--runtime=broken_runtime")
    assert done.returncode == 4
    record = bench.records()["Pass0-float-notop"]
    assert (record.status, record.label) == ("error", "harness")
    assert "no such library" in record.failure.message
