"""Laws of mixing hidden states by the name of the layer."""

from contextlib import nullcontext
from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mixup_jax import Mix, draw, mix, mixed_cross_entropy
from mixup_jax.methods import draw_cutmix, mix_at, mix_at_random
from mixup_jax.models import MLP, PreActResNet
from mixup_jax.models.preact_resnet import Head, Stage

SIZE = 6
CUTS = ["input", "stage1", "stage2", "head"]
LABELS = jnp.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(scope="module")
def resnet():
    """A tiny pre-activation ResNet, its variables and images."""
    model, x = PreActResNet(classes=3, width=4, blocks=(1, 1)), jax.random.normal(jax.random.key(7), (SIZE, 8, 8, 2))
    return model, jax.jit(lambda rng: model.init(rng, x, train=False))(jax.random.key(8)), x


@pytest.fixture(scope="module")
def mlp():
    """A small perceptron, its variables and inputs."""
    model, x = MLP(classes=3, width=8), jax.random.normal(jax.random.key(7), (SIZE, 5))
    return model, jax.jit(lambda rng: model.init(rng, x, train=False))(jax.random.key(8)), x


@cache
def program(model, layer):
    """The forward pass, compiled, with one layer mixed."""

    @jax.jit
    def apply(plan, variables, x):
        with mix_at(plan, layer) if layer else nullcontext():
            return model.apply(variables, x, train=False)

    return apply


def mixed_logits(network, plan, layer):
    """Logits of the network with one layer mixed."""
    model, variables, x = network
    return program(model, layer)(plan, variables, x)


def plain_logits(network):
    """Logits of the network as it is."""
    return mixed_logits(network, None, None)


@pytest.fixture
def plan(rng):
    """A plan with a lambda for each example."""
    return jax.jit(lambda rng: draw(rng, SIZE, 1.0, per="example", partner="derangement"))(rng)


@pytest.mark.thorough
@pytest.mark.parametrize("layer", [*CUTS, "stem", "stage2/block1"])
def test_lambda_one_is_the_plain_forward_pass(resnet, plan, layer):
    left_alone = Mix(jnp.ones(SIZE), plan.partner)
    np.testing.assert_array_equal(mixed_logits(resnet, left_alone, layer), plain_logits(resnet))


@pytest.mark.parametrize("layer", CUTS)
def test_lambda_zero_is_the_forward_pass_of_the_partner(resnet, plan, layer):
    swapped = Mix(jnp.zeros(SIZE), plan.partner)
    expected = plain_logits(resnet)[plan.partner]
    np.testing.assert_allclose(mixed_logits(resnet, swapped, layer), expected, atol=1e-5)


def test_the_head_of_the_resnet_is_mixed_as_by_hand(resnet, plan):
    model, variables, x = resnet

    @jax.jit
    def by_hand():
        _, state = model.apply(
            variables, x, train=False, capture_intermediates=lambda module, _: module.name == "stage2", mutable=True
        )
        hidden = state["intermediates"]["stage2"]["__call__"][0]
        return Head(3).apply({"params": variables["params"]["head"]}, mix(plan, hidden))

    np.testing.assert_allclose(mixed_logits(resnet, plan, "head"), by_hand(), atol=1e-5)


def test_the_second_stage_of_the_resnet_is_mixed_as_by_hand(resnet, plan):
    model, variables, x = resnet

    @jax.jit
    def by_hand():
        _, state = model.apply(variables, x, train=False, capture_intermediates=True, mutable=True)
        hidden = mix(plan, state["intermediates"]["stage1"]["__call__"][0])
        only = {name: tree["stage2"] for name, tree in variables.items()}
        hidden = Stage(8, 1, 2).apply(only, hidden, False)
        return Head(3).apply({"params": variables["params"]["head"]}, hidden)

    np.testing.assert_allclose(mixed_logits(resnet, plan, "stage2"), by_hand(), atol=1e-5)


@pytest.mark.thorough
def test_the_layers_of_the_perceptron_are_mixed_as_by_hand(mlp, plan):
    _, variables, x = mlp
    w = variables["params"]

    def dense(name, x):
        return x @ w[name]["kernel"] + w[name]["bias"][None]

    hidden1 = nn.relu(dense("hidden1", x))
    expected = {
        "input": dense("head", nn.relu(dense("hidden2", nn.relu(dense("hidden1", mix(plan, x)))))),
        "hidden2": dense("head", nn.relu(dense("hidden2", mix(plan, hidden1)))),
        "head": dense("head", mix(plan, nn.relu(dense("hidden2", hidden1)))),
    }
    for layer, logits in expected.items():
        np.testing.assert_allclose(mixed_logits(mlp, plan, layer), logits, atol=1e-5)


def test_labels_mix_with_the_same_plan(mlp, plan):
    """The head is linear: mixing its input mixes the logits, as mix(plan, y) mixes the labels."""
    np.testing.assert_allclose(mixed_logits(mlp, plan, "head"), mix(plan, plain_logits(mlp)), atol=1e-5)


def training_loss(network, plan, layers, rng=None):
    """A function of the parameters: loss and new batch statistics of a training step."""
    model, variables, x = network

    def loss(params):
        context = mix_at(plan, layers) if rng is None else mix_at_random(rng, plan, layers)
        with context:
            logits, updated = model.apply({**variables, "params": params}, x, train=True, mutable=["batch_stats"])
        return mixed_cross_entropy(logits, LABELS, plan).mean(), updated["batch_stats"]

    return loss


@pytest.mark.thorough
def test_gradients_and_batch_statistics_follow_the_mixed_states(resnet, plan):
    step = jax.jit(lambda plan, params: jax.value_and_grad(training_loss(resnet, plan, "stage2"), has_aux=True)(params))
    (loss, stats), gradient = step(plan, resnet[1]["params"])
    (plain_loss, plain_stats), _ = step(Mix(jnp.ones(SIZE), plan.partner), resnet[1]["params"])
    assert float(loss) != float(plain_loss)
    before, after = ([jax.tree.leaves(each[name]) for name in ("stage1", "stage2")] for each in (plain_stats, stats))
    jax.tree.map(np.testing.assert_array_equal, after[0], before[0])  # below the cut nothing changes
    assert any(bool(jnp.any(a != b)) for a, b in zip(after[1], before[1], strict=True))
    assert all(bool(jnp.all(jnp.isfinite(leaf)) & jnp.any(leaf != 0)) for leaf in jax.tree.leaves(gradient))


def test_jit_is_eager_and_a_vmap_over_plans_is_a_loop(mlp, rng):
    model, variables, x = mlp
    lam, partner = jax.random.uniform(rng, (3, SIZE)), jnp.arange(SIZE)[::-1]

    def logits(lam):
        with mix_at(Mix(lam, partner), "hidden2"):
            return model.apply(variables, x, train=False)

    together, jitted = jax.vmap(logits)(lam), jax.jit(logits)
    for i in range(3):
        np.testing.assert_allclose(logits(lam[i]), together[i], atol=1e-6)
        np.testing.assert_allclose(jitted(lam[i]), together[i], atol=1e-6)


@pytest.mark.thorough
def test_a_vmap_over_seeds_is_each_seed_alone(resnet, rng):
    keys = jax.random.split(rng, 2)

    def loss(key):
        return training_loss(resnet, draw(key, SIZE, 1.0), ["input", "stage2"], key)(resnet[1]["params"])[0]

    losses = jax.jit(jax.vmap(loss))(keys)
    np.testing.assert_allclose(losses, [jax.jit(loss)(key) for key in keys], rtol=1e-5)


def test_a_random_layer_is_mixed_by_one_program(mlp, plan, rng):
    layers, traces = ["input", "hidden2", "head"], []

    @jax.jit
    def step(key):
        traces.append(key)
        model, variables, x = mlp
        with mix_at_random(key, plan, layers) as chosen:
            logits = model.apply(variables, x, train=False)
        return chosen, logits

    expected = [mixed_logits(mlp, plan, layer) for layer in layers]
    counts = np.zeros(3, int)
    for key in jax.random.split(rng, 60):
        chosen, logits = step(key)
        np.testing.assert_allclose(logits, expected[int(chosen)], atol=1e-5)
        counts[int(chosen)] += 1
    assert counts.min() > 8
    assert len(traces) == 1


@pytest.mark.thorough
def test_a_mask_is_followed_by_states_of_its_size_and_taken_off_elsewhere(resnet, rng):
    plan = jax.jit(lambda rng: draw_cutmix(rng, (SIZE, 8, 8), 1.0, partner="roll"))(rng)
    keys = jax.random.split(rng, 4)

    @jax.jit
    def logits(key):
        model, variables, x = resnet
        with mix_at_random(key, plan, ["input", "stage1"]) as chosen:
            return chosen, model.apply(variables, x, train=False)

    expected = [mixed_logits(resnet, plan, layer) for layer in ("input", "stage1")]
    seen = set()
    for key in keys:
        chosen, result = logits(key)
        np.testing.assert_allclose(result, expected[int(chosen)], atol=1e-5)
        seen.add(int(chosen))
    assert seen == {0, 1}


def test_outside_of_the_context_nothing_is_mixed(mlp, plan):
    model, variables, x = mlp
    with pytest.raises(RuntimeError, match="mine"), mix_at(plan, "hidden2"):
        raise RuntimeError("mine")  # not hidden behind the complaint that no layer was called
    with mix_at(plan, "hidden2"):
        mixed = model.apply(variables, x, train=False)
    after = model.apply(variables, x, train=False)
    np.testing.assert_allclose(after, plain_logits(mlp), atol=1e-6)
    assert not np.allclose(mixed, after)


class Caller(nn.Module):
    """A model that calls its layer by keyword, or twice."""

    by_keyword: bool = False

    @nn.compact
    def __call__(self, x):
        """Call the layer once by keyword, or twice by position."""
        layer = nn.Dense(1, use_bias=False, kernel_init=nn.initializers.ones, name="layer")
        return layer(inputs=x) if self.by_keyword else layer(layer(x))


def test_a_layer_called_twice_is_mixed_twice(plan):
    x = jnp.arange(6.0)[:, None]
    variables = {"params": {"layer": {"kernel": jnp.ones((1, 1))}}}
    with mix_at(plan, "layer"):
        result = Caller().apply(variables, x)
    np.testing.assert_allclose(result, mix(plan, mix(plan, x)), rtol=1e-6)


PLAN = Mix(jnp.ones(SIZE), jnp.arange(SIZE))


def test_an_unknown_layer_is_named_with_those_that_there_are(resnet, mlp):
    with pytest.raises(ValueError, match=r"\(input, hidden1, dropout1, .*head, or deeper, by path\), got 'stage9'"):
        mixed_logits(mlp, PLAN, "stage9")
    with pytest.raises(ValueError, match=r"stage1/block1, .*stage2/block1, .*got 'block1'"):
        jax.eval_shape(lambda: mixed_logits(resnet, PLAN, "block1"))
    with (
        pytest.raises(ValueError, match=r"layer must be .* got 'nothing'"),
        mix_at_random(jax.random.key(0), PLAN, ["input", "nothing"]),
    ):
        mlp[0].apply(mlp[1], mlp[2], train=False)


def test_a_context_in_which_no_module_was_traced_says_so(mlp):
    model, variables, x = mlp
    apply = jax.jit(lambda x: model.apply(variables, x, train=False))
    apply(x)
    with pytest.raises(ValueError, match="put the context into the jitted function"), mix_at(PLAN, "head"):
        apply(x)


def test_other_errors_name_what_is_wrong(mlp, rng):
    with pytest.raises(ValueError, match="the plan mixes a batch of 4"):
        mixed_logits(mlp, Mix(jnp.ones(4), jnp.arange(4)), "head")
    with pytest.raises(TypeError, match="layer 'layer' must be called with its input"), mix_at(PLAN, "layer"):
        Caller(by_keyword=True).init(rng, jnp.ones((SIZE, 1)))
    for layers in ([], ["head", "head"], "head"):
        with pytest.raises(ValueError, match="layers must be a list"), mix_at_random(rng, PLAN, layers):
            pass


class Encoder(nn.Module):
    """A network with a submodule under nn.jit, one under nn.remat, and a method beside __call__."""

    def setup(self):
        self.first, self.second = nn.jit(nn.Dense)(3), nn.remat(nn.Dense)(2)

    def encode(self, x):
        return self.first(x)

    def __call__(self, x):
        return self.second(self.encode(x))


@pytest.fixture(scope="module")
def encoder():
    """The encoder, its variables, its inputs, and a plan that takes the partner."""
    x = jax.random.normal(jax.random.key(0), (4, 5))
    return Encoder(), Encoder().init(jax.random.key(1), x), x, Mix(jnp.zeros(4), jnp.array([1, 2, 3, 0]))


@pytest.mark.thorough
@pytest.mark.parametrize("layer", ["first", "second", "input"])
def test_a_submodule_that_is_compiled_by_itself_is_mixed_in_the_context_and_nowhere_else(encoder, layer):
    model, variables, x, plan = encoder
    clean = model.apply(variables, x)

    @jax.jit
    def mixed(plan, x):
        with mix_at(plan, layer):
            return model.apply(variables, x)

    for lam in (0.0, 1.0, 0.0):
        expected = clean[plan.partner] if lam == 0 else clean
        np.testing.assert_allclose(mixed(Mix(jnp.full(4, lam), plan.partner), x), expected, rtol=1e-5)
        np.testing.assert_array_equal(model.apply(variables, x), clean)
        np.testing.assert_allclose(jax.jit(model.apply)(variables, x), clean, rtol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("layer", ["first", "second"])
def test_what_would_stay_mixed_is_refused_outside_of_jit(encoder, layer):
    model, variables, x, plan = encoder
    jax.clear_caches()
    with pytest.raises(ValueError, match=rf"'{layer}' .*nn.jit.*stay mixed: put the context into a function"):  # noqa: SIM117
        with mix_at(plan, layer):
            model.apply(variables, x)
    clean = model.apply(variables, x)
    with pytest.raises(ValueError, match="put the context into a function"), mix_at(plan, "input"):
        jax.jit(model.apply)(variables, x)
    np.testing.assert_allclose(jax.jit(model.apply)(variables, x), clean, rtol=1e-5)


def test_the_input_of_another_method_is_mixed_and_its_layers_are_named(encoder):
    model, variables, x, plan = encoder

    @jax.jit
    def mixed(x):
        with mix_at(plan, "input"):
            return model.apply(variables, x, method="encode")

    clean = model.apply(variables, x, method="encode")
    np.testing.assert_allclose(mixed(x), clean[plan.partner], rtol=1e-5)
    with pytest.raises(ValueError, match=r"\(input, first, or deeper"), mix_at(plan, "nothing"):
        jax.jit(lambda: model.apply(variables, x, method="encode"))()


def test_an_nnx_model_is_told_to_call_mix(plan):
    model = nnx.Linear(5, 2, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"no Linen module .* NNX model call mix"), mix_at(plan, "head"):
        model(jnp.ones((6, 5)))
