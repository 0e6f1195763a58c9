from dataclasses import replace

from ratlp.report import verdict_sentences
from ratlp.report.words import (
    ablation_sentences,
    command,
    gain_sentences,
    headline,
    reproduction_summary,
    search_sentences,
    theorem_sentences,
)


def test_each_number_outside_the_interval_gets_its_sentence(reproduction):
    sentences = verdict_sentences(reproduction.table1)
    assert len(sentences) == 3
    assert sentences[1] == (
        "Standard training, input FGSM: the paper reports 45.2 %; 100 seeds give 89.1 ± 2.3 %, and a "
        "new seed would lie in [84.5, 93.7]: the paper's number is below. Does not reproduce."
    )


def test_a_number_above_does_not_reproduce_either(reproduction):
    row = replace(reproduction.table1[3], paper=100.0, verdict="above")
    assert verdict_sentences([row])[0].endswith("number is above. Does not reproduce.")


def test_no_verdict_without_spread_or_without_a_published_number(reproduction, bare):
    alone = [replace(row, n_seeds=1, std=0.0) for row in reproduction.table1]
    assert verdict_sentences(alone) == verdict_sentences(bare.table1) == verdict_sentences([]) == []
    assert reproduction_summary(alone).startswith("One seed has no spread")
    assert reproduction_summary(bare.table1) == ""


def test_summary_counts_what_reproduces(reproduction):
    assert reproduction_summary(reproduction.table1).startswith("3 of the paper's 6 numbers lie in")


def test_headline_names_data_and_seeds(reproduction):
    one = replace(reproduction, seeds={"first": 7, "count": 1})
    assert headline(reproduction).endswith("on Two Moons: 100 nets of each, seeds 0 to 99.")
    assert headline(one).endswith("one net of each, seed 7.")


def test_gains_stand_beside_the_papers(reproduction, bare):
    assert gain_sentences(reproduction.table1)[0] == (
        "Under input FGSM, RAT-LP against standard training: +0.1 points, 89.1 → 89.2 %. "
        "In the paper: +48.5 points, 45.2 → 93.7 %."
    )
    assert not any("paper" in sentence for sentence in gain_sentences(bare.table1))
    assert gain_sentences(reproduction.table1[:3]) == []


def test_theorem_says_where_the_assumptions_fail(reproduction):
    text = " ".join(theorem_sentences(reproduction.theorem))
    assert "fails at 7,420 of 40,000 points" in text
    assert "2-Lipschitz" in text
    assert "L_g = 9.31 ± 1.10 (standard training), 6.02 ± 1.10 (RAT-LP)" in text
    assert "fails at 624 of 40,000 points" in text
    assert "the bound holds at all 40,000 points." in text
    assert "bug" not in text


def test_a_violation_of_the_right_constants_is_called_a_bug(reproduction):
    text = " ".join(theorem_sentences(replace(reproduction.theorem, violations=1)))
    assert "the bound fails at 1 of 40,000 points. That must not happen" in text


def test_ablation_compares_the_ends_of_each_parameter(reproduction):
    sentences = ablation_sentences(reproduction.ablation)
    assert sentences[0].startswith("Training budget eps_z, 0 to 1: the mean latent magnitude goes from 1.10 to 11.71")
    assert len(sentences) == 3
    assert ablation_sentences(()) == []


def test_search_says_whether_the_standard_row_was_reached(reproduction):
    reached = replace(reproduction.search, standard_row_reached=True)
    assert "None of them comes" in search_sentences(reproduction.search)[0]
    assert "At least one of them comes" in search_sentences(reached)[0]
    assert "61.2 % under input FGSM, 83.0 % under latent" in search_sentences(reproduction.search)[1]


def test_command_runs_it_again(reproduction, bare):
    assert command(reproduction) == ("ratlp reproduce --data moons --seeds 100 --epochs 50 --ablation --search")
    assert command(bare) == "ratlp reproduce --data PATH --seeds 100 --epochs 50 --no-ablation"
