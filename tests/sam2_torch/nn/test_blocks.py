import torch

from sam2_torch.nn.blocks import MLP, LayerNorm2d


def test_layer_norm_takes_each_pixel_by_itself():
    x = 5 * torch.randn(2, 8, 3, 4) + 7
    normed = LayerNorm2d(8)(x)
    torch.testing.assert_close(normed.mean(1), torch.zeros(2, 3, 4), rtol=0, atol=1e-5)
    torch.testing.assert_close(normed.var(1, unbiased=False), torch.ones(2, 3, 4))
    x[:, :, 0, 0] = 1000 * torch.randn(2, 8)
    torch.testing.assert_close(LayerNorm2d(8)(x)[:, :, 1:], normed[:, :, 1:])


def test_perceptron_bends_between_its_layers_and_not_after():
    mlp = MLP((1, 1, 1))
    for layer in mlp.layers:
        layer.weight.fill_(-2)
        layer.bias.zero_()
    x = torch.tensor([[-1.0], [1.0]])
    assert mlp(x).tolist() == [[-4.0], [0.0]]


def test_perceptron_may_end_between_0_and_1():
    found = MLP((4, 4, 2), sigmoid_output=True)(100 * torch.randn(9, 4))
    assert ((found >= 0) & (found <= 1)).all()
