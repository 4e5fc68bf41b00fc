"""Our networks are the PyTorch networks of the released codes: outputs, gradients and running statistics."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.models import VGG, AlexNet, DenseNet, PreActResNet, ResNet, WideResNet

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
import torch_networks  # noqa: E402

from benchmarks.peers import torch_preact_resnet  # noqa: E402

TOLERANCE = 1e-4


def assert_agree(ours, theirs):
    """Compare by name; ours are renamed, and the tolerance is relative to the largest entry of each array."""
    ours = torch_preact_resnet.state_dict(ours)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        reference = theirs[name].detach().numpy()
        scale = max(abs(reference).max(), TOLERANCE)
        np.testing.assert_allclose(value.numpy() / scale, reference / scale, rtol=0, atol=TOLERANCE, err_msg=name)


def nchw(images):
    return torch.tensor(np.asarray(images)).permute(0, 3, 1, 2).double()


def drawn_by_numpy(generator, model, images):
    """Draw parameters unlike the initial ones, whose scales of 1 and biases of 0 would hide errors in them."""
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)

    def draw(path, leaf):
        start = 1.0 if path[-1].key in ("scale", "var") else 0.0
        width = np.prod(leaf.shape[:-1]) ** -0.5 if len(leaf.shape) > 1 else 0.3
        return (start + width * generator.normal(size=leaf.shape)).astype(np.float32)

    return (jax.tree.map_with_path(draw, variables.get(name, {})) for name in ("params", "batch_stats"))


PAIRS = {
    "preact H": (16, PreActResNet(5, 8, (2, 1), "H"), torch_preact_resnet.PreActResNet(5, 8, (2, 1), "H")),
    "preact F": (16, PreActResNet(5, 8, (2, 1), "F"), torch_preact_resnet.PreActResNet(5, 8, (2, 1), "F")),
    "odd size": (9, PreActResNet(5, 8, (1, 1), "H"), torch_preact_resnet.PreActResNet(5, 8, (1, 1), "H")),
    "wide": (16, WideResNet(5, 16, (2, 1)), torch_networks.WideResNet(5, 16, (2, 1))),
    "basic": (32, ResNet(5, 8, (2, 1), False), torch_networks.ResNet(5, 8, (2, 1), False)),
    "resnext": (33, ResNet(5, 8, (1, 2), True, 2, 32), torch_networks.ResNet(5, 8, (1, 2), True, 2, 32)),
    "alexnet": (64, AlexNet(5, 4, (64, 96, 80, 64)), torch_networks.alexnet(5, (4, 6, 5, 4), 256)),
    "vgg": (34, VGG(5, 4, (1, 2)), torch_networks.vgg(5, 4, (1, 2))),
    "dense": (16, DenseNet(5, 4, (3, 2)), torch_networks.DenseNet(5, 4, (3, 2))),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_step_agrees_with_pytorch(name):
    size, model, reference = PAIRS[name]
    generator = np.random.default_rng(0)
    images = generator.normal(size=(3, 8, size, size, 3)).astype(np.float32)
    labels = np.arange(8) % 5
    params, stats = drawn_by_numpy(generator, model, images[0])
    state = torch_preact_resnet.state_dict(params) | torch_preact_resnet.state_dict(stats)
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    reference.double()

    @jax.jit
    def gradient(params, stats, images):
        def loss_fn(params):
            variables = {"params": params, "batch_stats": stats}
            logits, updated = model.apply(variables, images, train=True, mutable=["batch_stats"])
            loss = -(jax.nn.log_softmax(logits) * jax.nn.one_hot(labels, 5)).sum(axis=-1).mean()
            return loss, (logits, updated.get("batch_stats", {}))

        return jax.grad(loss_fn, has_aux=True)(params)

    for i in range(2):
        grads, (logits, stats) = gradient(params, stats, images[i])
        reference.zero_grad()
        theirs = reference(nchw(images[i]))
        torch.nn.functional.cross_entropy(theirs, torch.tensor(labels)).backward()
        np.testing.assert_allclose(logits, theirs.detach().numpy(), rtol=0, atol=TOLERANCE)
        assert_agree(grads, {name: each.grad for name, each in reference.named_parameters()})
        assert_agree(stats, {name: each for name, each in reference.named_buffers() if "num_batches" not in name})

    reference.eval()
    logits = jax.jit(partial(model.apply, train=False))({"params": params, "batch_stats": stats}, images[2])
    np.testing.assert_allclose(logits, reference(nchw(images[2])).detach().numpy(), rtol=0, atol=TOLERANCE)


def test_the_start_is_distributed_as_pytorchs(rng):
    model = PreActResNet(classes=10, width=16, blocks=(1, 1))
    params = jax.jit(partial(model.init, train=False))(rng, jnp.zeros((1, 8, 8, 3)))["params"]
    ours = torch_preact_resnet.state_dict(params)
    reference = torch_preact_resnet.PreActResNet(10, 16, blocks=(1, 1))
    theirs = dict(reference.named_parameters())
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}
    for name, value in theirs.items():
        if "bn" not in name:
            fan_in = 32 if name.endswith("bias") else value[0].numel()
            sizes = [each.detach().abs() * fan_in**0.5 for each in (ours[name], value)]
            assert max(size.max() for size in sizes) <= 1.0 + 1e-6, name
            if value.numel() > 400:
                np.testing.assert_allclose([size.mean() for size in sizes], 0.5, atol=0.1, err_msg=name)
        else:
            np.testing.assert_array_equal(ours[name], value.detach(), err_msg=name)
