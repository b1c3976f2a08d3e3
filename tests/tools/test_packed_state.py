"""The state of a run in half precision: next to nothing is lost."""

from dataclasses import replace

import torch
from packed_state import pack_state, unpack_state
from tests.sam2_torch.training.test_loop import SHORT, begin

from sam2_torch.training.loop import Budget
from sam2_torch.training.optimizer import learning
from sam2_torch.training.run_state import STATE_FILE


def test_it_is_nearly_the_whole_state(tmp_path):
    run = begin(tmp_path / "run", replace(SHORT, steps=4))
    run.go(Budget())
    path = pack_state(run.state, tmp_path)
    assert path.stat().st_size < 0.3 * (tmp_path / "run" / STATE_FILE).stat().st_size
    fresh = begin(tmp_path / "fresh")
    unpack_state(fresh.state, path)
    assert fresh.state.step == 4
    for name, parameter in learning(run.state.model).items():
        torch.testing.assert_close(
            learning(fresh.state.model)[name], parameter, atol=1e-5, rtol=1e-4
        )
    fresh.go(Budget())
    assert fresh.state.step == 8
