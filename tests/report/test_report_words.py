from dataclasses import replace

from ratlp.report import verdict_sentences
from ratlp.report.words import (
    ablation_sentences,
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
    alone = [replace(row, n_seeds=1, std=0.0, verdict=None) for row in reproduction.table1]
    assert verdict_sentences(alone) == verdict_sentences(bare.table1) == verdict_sentences([]) == []
    assert reproduction_summary(alone) == reproduction_summary(bare.table1) == ""


def test_summary_counts_what_reproduces(reproduction):
    assert reproduction_summary(reproduction.table1).startswith("3 of the paper's 6 numbers lie in")


def test_headline_names_data_and_seeds(reproduction):
    some = replace(reproduction, seeds=(3, 9))
    assert headline(reproduction).endswith("on Two Moons; nets of each: 100, seeds: 0 to 99.")
    assert headline(some).endswith("nets of each: 2, seeds: 3, 9.")


def test_a_users_file_is_not_taken_for_the_built_in_data(reproduction):
    own = replace(reproduction, data={"kind": "file", "name": "moons"})
    assert headline(own).startswith("Standard training and RAT-LP on moons; ")


def test_gains_stand_with_their_interval_beside_the_papers(reproduction, bare):
    assert gain_sentences(reproduction.gains)[:2] == [
        "On clean inputs, RAT-LP gains +0.0 points, 95 % CI [-0.1, 0.1]. The paper's gain: +7.4.",
        "Under input FGSM, RAT-LP gains +0.4 points, 95 % CI [0.2, 0.6]. The paper's gain: +48.5.",
    ]
    assert not any("paper" in sentence for sentence in gain_sentences(bare.gains))
    assert gain_sentences([replace(reproduction.gains[0], n=1)]) == []


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
    tried, nearest, lowest = search_sentences(reproduction.search)
    assert "576 settings" in tried
    assert "noise from 0.05 to 0.3 and 200 to 2,000 points" in tried
    assert "45.2 and 52.8 %, gives 60.0 and 80.0 %: it does not reach them within 2 points." in nearest
    assert "61.2 % under input FGSM, 83.0 % under latent" in lowest
    reached = replace(reproduction.search, standard_row_reached=True)
    assert "it reaches them" in search_sentences(reached)[1]
