"""`fwlens emit` and `recommend --format …` as a user meets them, on the sample night."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from fwlens import document
from fwlens.emit import PLATFORMS, forms_of
from tests.emit.parsed import PARSERS, opened
from tests.test_cli import ROOT, fwlens, said

SAMPLE = ("sample_logs/", "--region", "westeurope")


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The answer for the sample night, as it was denied and for each platform."""
    folder = tmp_path_factory.mktemp("answers")
    found: dict[str, Path] = {
        "": folder / "night.json",
        **{str(platform): folder / f"{platform}.json" for platform in PLATFORMS},
    }
    for platform, path in found.items():
        chosen = ("--platform", platform) if platform else ()
        assert said("recommend", *SAMPLE, *chosen, "--format", "json", "-o", str(path))[:2] == (0, "")
    return found


@pytest.mark.parametrize(("platform", "form"), [(p, f) for p in PLATFORMS for f in forms_of(p)])
def test_every_form_of_the_sample_night_reads_back_as_its_rules(
    answers: dict[str, Path], platform: str, form: str
) -> None:
    read = document.read(answers[platform]).recommendations
    placed = ("--priority-below", "4000") if platform == "nsg" and form not in ("csv", "markdown") else ()
    done = fwlens("emit", str(answers[platform]), "--format", form, *placed)
    assert done.returncode == 0
    assert set(PARSERS[form](done.stdout.decode())) == {opened(one.rule) for one in read}


def test_an_answer_for_several_platforms_asks_which_one_or_for_a_folder(answers: dict[str, Path]) -> None:
    code, out, err = said("emit", str(answers[""]), "--format", "bicep")
    assert (code, out) == (1, "")
    assert err == (
        "fwlens: There are rules for azure-firewall and nsg, and one bicep is for one of them: write all into a folder "
        "(-o rules/), or take --format json and give the answer to `fwlens emit --platform`.\n"
    )


def test_into_a_folder_go_one_file_for_each_platform_and_what_takes_it_back(
    answers: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "rules"
    code, out, _ = said(
        "emit", str(answers[""]), "--format", "terraform", "--priority-below", "4000", "-o", f"{folder}/"
    )
    assert (code, out) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == [
        "azure-firewall.tf",
        "azure-firewall.tf.undo",
        "nsg.tf",
        "nsg.tf.undo",
    ]


def test_a_file_and_its_rollback_are_written_where_they_were_asked_for(
    answers: dict[str, Path], tmp_path: Path
) -> None:
    text, undo = tmp_path / "fwlens.sh", tmp_path / "undo.sh"
    words = ("emit", str(answers["aml-managed-network"]), "--format", "az", "-o", str(text), "--rollback", str(undo))
    assert said(*words) == (
        0,
        "",
        "fwlens: The first FQDN rule of a managed network brings a firewall of its own, which is billed by the hour.\n"
        "fwlens: The workspace must have the isolation mode that allows approved outbound traffic only.\n"
        f"fwlens: {answers['aml-managed-network']}: 9 blocked conversations that no rule of this answer allows "
        "('aml/batch', 'aml/compute-management', 'aml/storage-smb'); the answer says why.\n",
    )
    rules = text.read_text("utf-8").count("outbound-rule set")
    assert undo.read_text("utf-8").count("outbound-rule remove") == rules == 16


def test_a_device_a_pipe_and_a_link_stay_what_they_are(answers: dict[str, Path], tmp_path: Path) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    link.symlink_to(file)
    words = ("emit", str(answers["azure-firewall"]), "--format", "csv", "-o")
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    assert said(*words, str(pipe))[0] == 0
    through = reader.communicate(timeout=20)[0]
    assert said(*words, str(link))[0] == 0
    assert (pipe.is_fifo(), link.is_symlink()) == (True, True)
    assert through == file.read_bytes() == fwlens(*words[:-1]).stdout


def test_rules_and_what_takes_them_back_are_never_the_same_file(answers: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "rules.csv"
    words = ("emit", str(answers[""]), "--format", "csv", "-o", str(file), "--rollback", f"{tmp_path}/./rules.csv")
    assert said(*words) == (2, "", "fwlens: --rollback names the file of the rules themselves: name another one.\n")
    assert not file.exists()


@pytest.mark.parametrize("old", [None, "old"])
def test_rules_are_not_written_without_what_takes_them_back(
    answers: dict[str, Path], tmp_path: Path, old: str | None
) -> None:
    file = tmp_path / "fwlens.bicep"
    if old:
        file.write_text(old)
    words = (
        "emit",
        str(answers["azure-firewall"]),
        "--format",
        "bicep",
        "-o",
        str(file),
        "--rollback",
        "/proc/undo.sh",
    )
    refused = "fwlens: /proc/undo.sh: cannot be written (No such file or directory). Choose another place.\n"
    assert said(*words) == (1, "", refused)
    assert said(*words[:4], "--rollback", "/proc/undo.sh") == (1, "", refused)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == ([("fwlens.bicep", old)] if old else [])


def test_a_folder_gets_all_its_files_or_none(answers: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "nsg.tf.undo").mkdir()
    words = ("emit", str(answers[""]), "--format", "terraform", "--priority-below", "4000", "-o", f"{tmp_path}/")
    told = f"fwlens: {tmp_path}/nsg.tf.undo: cannot be written (Is a directory). Choose another place.\n"
    assert said(*words) == (1, "", told)
    assert [path.name for path in tmp_path.iterdir()] == ["nsg.tf.undo"]


def test_an_answer_from_a_pipe_and_an_earlier_one_are_written_together(answers: dict[str, Path]) -> None:
    later = json.loads(answers["azure-firewall"].read_bytes())
    kept = later["recommendations"]
    later["recommendations"] = kept[:2]
    earlier = dict(later, recommendations=kept[1:])
    both = fwlens("emit", "-", str(answers["azure-firewall"]), "--format", "arm", stdin=json.dumps(later).encode())
    assert both.stdout == fwlens("emit", str(answers["azure-firewall"]), "--format", "arm").stdout
    alone = fwlens("emit", "-", "--format", "arm", stdin=json.dumps(earlier).encode())
    assert len(PARSERS["arm"](alone.stdout.decode())) == len(kept) - 1


def test_what_the_platform_cannot_hold_is_told_and_the_exit_code_is_1() -> None:
    code, out, err = said("recommend", *SAMPLE, "--platform", "aml-managed-network", "--format", "yaml")
    assert code == 1
    assert len(PARSERS["yaml"](out)) == 16
    assert (
        "fwlens: 4 blocked conversations left out, aml-managed-network: aml/compute-management: the managed network makes "
        "the rule for tag:AzureMachineLearning itself.\n"
    ) in err


def test_only_what_a_device_denied_is_written(answers: dict[str, Path]) -> None:
    read = document.read(answers[""]).recommendations
    mine = {opened(one.rule) for one in read if any(each.endswith("/nsg-ml") for each in one.evidence.devices)}
    done = fwlens("emit", str(answers[""]), "--format", "csv", "--device", "/NSG-ML")
    assert set(PARSERS["csv"](done.stdout.decode())) == mine
    assert 0 < len(mine) < len(read)


@pytest.mark.parametrize("option", ["-o", "--rollback"])
def test_a_place_without_a_name_is_wrong_usage_and_not_the_folder_one_stands_in(
    answers: dict[str, Path], option: str
) -> None:
    there = set(ROOT.iterdir())
    code, out, err = said("emit", str(answers["azure-firewall"]), "--format", "arm", option, "")
    told = f"fwlens: what follows {option} is empty: write what is meant, or leave it out.\n"
    assert (code, out, err) == (2, "", told)
    assert set(ROOT.iterdir()) == there


@pytest.mark.parametrize(
    ("words", "option", "meant"),
    [
        ("--format csv --priority-below 4000", "--priority-below", "--format arm, bicep, terraform or az"),
        ("--format markdown --priority-taken 400", "--priority-taken", "--format arm, bicep, terraform or az"),
        ("--format terraform --target hub", "--target", "--format arm, bicep or yaml"),
        ("--format az --ip-groups", "--ip-groups", "--format arm, bicep or terraform"),
        ("--format bicep --platform nsg --ip-groups", "--ip-groups", "rules of azure-firewall"),
    ],
)
def test_an_option_that_would_do_nothing_is_wrong_usage(
    answers: dict[str, Path], words: str, option: str, meant: str
) -> None:
    told = f"Error: Invalid value for '{option}': is for {meant}.\n"
    code, out, err = said("emit", str(answers[""]), *words.split())
    assert (code, out, err[err.index("Error") :]) == (2, "", told)
    code, out, err = said("recommend", "no-such.json", *words.split())
    assert (code, out, err[err.index("Error") :]) == (2, "", told)


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize(
    ("words", "forms"),
    [
        ("--rollback undo.sh", "arm, bicep, terraform, az, yaml, csv or markdown"),
        ("--target hub", "arm, bicep or yaml"),
        ("--priority-below 4000", "arm, bicep, terraform or az"),
        ("--priority-taken 400", "arm, bicep, terraform or az"),
        ("--ip-groups", "arm, bicep or terraform"),
    ],
)
def test_what_is_said_about_rules_as_text_is_wrong_usage_for_an_answer(form: str, words: str, forms: str) -> None:
    code, out, err = said("recommend", "no-such.json", "--format", form, *words.split())
    told = f"Error: Invalid value for '{words.split()[0]}': is for --format {forms}.\n"
    assert (code, out, err[err.index("Error") :]) == (2, "", told)


def test_a_curve_is_no_rules_and_no_answer() -> None:
    for more, told in (
        (("--format", "csv"), "'--curve': is for --format table or json."),
        (("--check",), "'--check': is for an answer, and --curve prints none."),
    ):
        code, out, err = said("recommend", "no-such.json", "--curve", *more)
        assert (code, out, err[err.index("Error") :]) == (2, "", f"Error: Invalid value for {told}\n")


def test_a_file_of_an_earlier_run_is_never_taken_for_an_answer(answers: dict[str, Path], tmp_path: Path) -> None:
    old = tmp_path / "fwlens.bicep"
    old.write_text("old")
    words = ("--platform", "aml-managed-network", "-o", str(old))
    done = said("emit", str(answers[""]), "--format", "bicep", *words)
    assert done == (0, "", f"fwlens: no rules, so nothing was written; {old} is from an earlier run.\n")


def test_nothing_to_allow_writes_nothing_and_says_so(answers: dict[str, Path]) -> None:
    code, out, err = said("emit", str(answers[""]), "--format", "arm", "--platform", "aml-managed-network")
    assert (code, out, err) == (0, "", "fwlens: no rules, so nothing was written.\n")


def test_a_device_that_denied_nothing_is_told_with_those_that_did(answers: dict[str, Path]) -> None:
    told = "fwlens: --device nosuch: no rule is for what such a device denied. There are: fw-ml, nsg-ml.\n"
    assert said("emit", str(answers[""]), "--format", "csv", "--device", "nosuch") == (1, "", told)
    done = said("emit", str(answers[""]), "--format", "arm", "--device", "nsg-ml", "--platform", "azure-firewall")
    assert done == (0, "", "fwlens: no rules, so nothing was written.\n")


def test_a_device_of_an_answer_without_rules_is_no_mistake(answers: dict[str, Path], tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.json"
    quiet.write_text(json.dumps({**json.loads(answers[""].read_bytes()), "recommendations": [], "unsaid": []}))
    done = said("emit", str(quiet), "--format", "arm", "--device", "fw-hub")
    assert done == (0, "", "fwlens: no rules, so nothing was written.\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 1, "fwlens: There are rules for azure-firewall and nsg, and one arm is for one of them"),
        (("--target", "a b"), 2, "fwlens: 'a b' is no name of an Azure resource: letters, digits, and _ . - within.\n"),
        (
            ("--target", "x']"),
            2,
            'fwlens: "x\']" is no name of an Azure resource: letters, digits, and _ . - within.\n',
        ),
        (("--platform", "nsg"), 1, "with --priority-below (the smallest, if several rules denied).\n"),
        (("--platform", "cisco"), 2, "'cisco' is not one of 'azure-firewall', 'nsg', 'aml-managed-network'"),
        (("--priority-below", "9"), 2, "--priority-below"),
    ],
)
def test_wrong_words_are_one_sentence(
    answers: dict[str, Path], words: tuple[str, ...], code: int, message: str
) -> None:
    done = fwlens("emit", str(answers[""]), "--format", "arm", *words, COLUMNS="300")
    assert (done.returncode, done.stdout) == (code, b"")
    assert message in done.stderr.decode()


def test_the_readme_shows_a_rule_as_it_is_written(answers: dict[str, Path]) -> None:
    quoted = (ROOT / "README.md").read_text("utf-8").partition("```bicep\n")[2].partition("```")[0].splitlines()
    done = fwlens("emit", str(answers["azure-firewall"]), "--format", "bicep")
    assert len(quoted) > 10
    printed = [line.strip() for line in done.stdout.decode().splitlines()]
    assert "\n".join(line.strip() for line in quoted) in "\n".join(printed)
