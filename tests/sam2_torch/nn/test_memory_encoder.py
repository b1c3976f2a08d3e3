import torch

from sam2_torch.nn.memory_encoder import Fuser, MaskDownSampler, MemoryEncoder


def test_memories_of_objects_share_a_frame_and_do_not_mix(config):
    encoder = MemoryEncoder(config).eval()
    features = torch.randn(1, config.d_model, 4, 4)
    masks = torch.randn(3, 1, 64, 64)
    together = encoder(features, masks)
    assert together.shape == (3, config.memory_dim, 4, 4)
    for i in range(3):
        torch.testing.assert_close(encoder(features, masks[i : i + 1])[0], together[i])


def test_mask_is_brought_to_stride_16_where_it_lies():
    sampler = MaskDownSampler(8).eval()
    mask = torch.zeros(1, 1, 64, 96)
    empty = sampler(mask)
    assert empty.shape == (1, 8, 4, 6)
    mask[..., 20:28, 52:60] = 1  # inside of one cell
    changed = (sampler(mask) != empty).any(dim=1)[0]
    assert changed[1, 3]
    assert not changed[3].any()
    assert not changed[:, 0].any()


def test_fuser_looks_three_tokens_far_in_each_layer():
    fuser = Fuser(4).eval()
    for layer in fuser.layers:
        layer.gamma.fill_(1)
    x = torch.randn(1, 4, 20, 20)
    before = fuser(x)
    x[..., 10, 10] += 1
    rows, columns = (fuser(x) != before).any(dim=1)[0].nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 16, 4, 16)
