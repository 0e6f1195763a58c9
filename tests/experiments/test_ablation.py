from collections import Counter

from ratlp.data import Moons
from ratlp.experiments import Setting
from ratlp.experiments.ablation import EPS_Z, LAMBDA, M, ablation
from ratlp.experiments.trials import Trials


def test_every_value_of_every_parameter():
    trials = Trials(Moons(n=60), range(2))
    rows = ablation(trials, Setting(epochs=1))
    assert Counter((row.parameter, row.method) for row in rows) == {
        ("eps_z", "ratlp"): len(EPS_Z),
        ("m", "standard"): len(M),
        ("m", "ratlp"): len(M),
        ("lambda", "ratlp"): len(LAMBDA),
    }
    # eps_z = 0.1, m = 8 and lambda = 1 are the paper's setting, trained once.
    same = [row for row in rows if (row.parameter, row.value) in {("eps_z", 0.1), ("lambda", 1.0)}]
    assert same[0].clean == same[1].clean
    assert same[0].head_norm == same[1].head_norm
