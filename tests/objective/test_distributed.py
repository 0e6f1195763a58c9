"""Two gloo processes on half the batch each against one process on all of it."""

import os
import subprocess
import sys
from pathlib import Path

WORKER = """
import sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from ratlp import RATLP
from ratlp.models import mlp

rank, store, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(0)
model = mlp(6, classes=3).double()
x, y = torch.randn(20, 6).double(), torch.randint(3, (20,))
objective = DistributedDataParallel(RATLP(model, layer="encoder", eps=0.1))
half = slice(10 * rank, 10 * rank + 10)
for _ in range(2):
    objective.zero_grad()
    objective(x[half], y[half]).loss.backward()
if rank == 0:
    torch.save([p.grad for p in model.parameters()], out)
dist.destroy_process_group()
"""


def test_ddp_gradients_equal_one_process_on_the_joint_batch(tmp_path):
    import torch

    from ratlp import RATLP
    from ratlp.models import mlp

    script, store, out = tmp_path / "worker.py", tmp_path / "store", tmp_path / "gradients.pt"
    script.write_text(WORKER)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([sys.executable, str(script), str(rank), str(store), str(out)], env=environment)
        for rank in (0, 1)
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]

    torch.manual_seed(0)
    model = mlp(6, classes=3).double()
    x, y = torch.randn(20, 6).double(), torch.randint(3, (20,))
    RATLP(model, layer="encoder", eps=0.1)(x, y).loss.backward()
    for found, parameter in zip(torch.load(Path(out)), model.parameters(), strict=True):
        assert torch.allclose(found, parameter.grad, rtol=1e-10, atol=1e-14)
