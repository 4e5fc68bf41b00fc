"""Laws of the evaluation: its numbers are their definitions, for any batch size and any padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.evaluation.classification import (
    BINS,
    MANY,
    answer_batches,
    in_batches,
    reliability,
    score,
    score_batches,
    summarize,
)

EXAMPLES, CLASSES = 103, 6
scored = jax.jit(score)


@pytest.fixture
def answers(rng):
    """Logits and labels; the confident answers are right a little more often."""
    rng_logits, rng_label = jax.random.split(rng)
    logits = 3 * jax.random.normal(rng_logits, (EXAMPLES, CLASSES))
    guess, chance = jnp.argmax(logits, axis=1), jax.random.randint(rng_label, (EXAMPLES,), 0, CLASSES)
    return np.asarray(logits), np.asarray(jnp.where(jnp.arange(EXAMPLES) % 3 == 0, chance, guess).astype(jnp.int32))


def define(logits, label):
    """Error, loss and calibration error as their papers write them, in float64."""
    logits = np.asarray(logits, np.float64)
    probability = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    confidence, correct = probability.max(axis=1), probability.argmax(axis=1) == label
    bin_of = np.minimum(np.floor(confidence * 15), 14)
    ece = 0.0
    for b in range(15):
        inside = bin_of == b
        if inside.any():
            ece += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    loss = -np.log(probability[np.arange(len(label)), label]).mean()
    return {"error": 100 * (1 - correct.mean()), "loss": loss, "ece": 100 * ece}


def measure(logits, label, batch_size):
    return summarize(score_batches(lambda x: x, *map(jnp.asarray, in_batches(logits, label, batch_size))))


@pytest.mark.thorough
@pytest.mark.parametrize("batch_size", [1, 32, 200])
def test_error_loss_and_calibration_are_their_definitions_for_any_batch_size(answers, batch_size):
    measured, expected = measure(*answers, batch_size), define(*answers)
    assert measured["error"] == pytest.approx(expected["error"], abs=1e-9)
    assert measured["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert measured["ece"] == pytest.approx(expected["ece"], rel=1e-4)


def test_of_many_classes_the_top_5_error_is_counted_too(rng):
    logits = np.array(jax.random.normal(rng, (EXAMPLES, MANY)))
    label = np.asarray(jax.random.randint(rng, (EXAMPLES,), 0, 12))  # some near the top, with the boost below
    logits[:, :12] += 1.5
    among = [label[i] in np.argsort(-logits[i])[:5] for i in range(EXAMPLES)]
    measured = measure(logits, label, 32)
    assert measured["top5_error"] == pytest.approx(100 * (1 - np.mean(among)), abs=1e-9)
    assert 0 < measured["top5_error"] < measured["error"]


def test_of_few_classes_it_is_not(answers):
    assert "top5_error" not in measure(*answers, 32)


def test_padding_counts_for_nothing_whatever_it_holds(answers):
    logits, label = answers
    mask = np.arange(EXAMPLES) < 80
    for rubbish in (np.nan, np.inf, -np.inf, 1e30):
        padded = np.where(mask[:, None], logits, rubbish)
        sums = scored(jnp.asarray(padded), jnp.asarray(np.where(mask, label, 5)), jnp.asarray(mask))
        clean = scored(jnp.asarray(logits[:80]), jnp.asarray(label[:80]), jnp.ones(80, bool))
        for name, value in clean.items():
            np.testing.assert_allclose(sums[name], value, rtol=1e-6, err_msg=name)


def test_a_logit_that_is_not_finite_in_a_real_example_is_seen(answers):
    logits, label = answers
    label = jnp.asarray(label).at[3].set(0)  # the largest of NaNs is the first
    for clean in (jnp.asarray(logits), jnp.zeros((EXAMPLES, MANY))):
        found = scored(clean.at[3].set(jnp.nan), label, jnp.ones(EXAMPLES, bool))
        others = scored(clean, label, jnp.arange(EXAMPLES) != 3)
        assert np.isnan(found["loss"])
        assert found["errors"] == others["errors"] + 1
        assert "top5_errors" not in found or found["top5_errors"] == others["top5_errors"] + 1
        kept = answer_batches(lambda x: x, clean.at[3].set(jnp.nan)[None], label[None])
        assert (kept.predicted != kept.label).sum() == found["errors"]
        assert 0 <= kept.predicted.min() <= kept.predicted.max() < clean.shape[1]


def test_certainty_falls_into_the_last_bin_and_indifference_of_two_classes_into_the_middle_one():
    logits = jnp.array([[1e4, 0.0], [0.0, 0.0]])
    sums = scored(logits, jnp.array([0, 1]), jnp.ones(2, bool))
    assert np.flatnonzero(sums["bin_count"]).tolist() == [7, BINS - 1]
    assert float(sums["bin_confidence"][-1]) == 1.0
    assert summarize(sums)["ece"] == pytest.approx(100 * (0.0 + 0.5) / 2)


def test_always_sure_and_right_is_calibrated_and_always_sure_and_wrong_is_not_at_all():
    logits = 1e4 * jnp.eye(4)
    right = summarize(scored(logits, jnp.arange(4), jnp.ones(4, bool)))
    wrong = summarize(scored(logits, (jnp.arange(4) + 1) % 4, jnp.ones(4, bool)))
    assert (right["error"], right["ece"]) == (0, 0)
    assert (wrong["error"], wrong["ece"]) == (100, 100)


def test_the_reliability_diagram_holds_every_example_once_and_no_nan(answers):
    sums = scored(*map(jnp.asarray, answers), jnp.ones(EXAMPLES, bool))
    diagram = reliability(sums)
    assert diagram["count"].sum() == EXAMPLES
    for name in ("confidence", "accuracy"):
        assert np.all((diagram[name] >= 0) & (diagram[name] <= 1 + 1e-6)), name
    filled = diagram["count"] > 0
    lower = np.arange(BINS)[filled] / 15
    confidence = diagram["confidence"][filled]
    assert np.all((confidence > lower - 1e-6) & (confidence < lower + 1 / 15 + 1e-6))
    gap = diagram["count"] * np.abs(diagram["accuracy"] - diagram["confidence"])
    assert 100 * gap.sum() / EXAMPLES == pytest.approx(summarize(sums)["ece"])


@pytest.mark.thorough
def test_seeds_are_summarized_as_if_alone(answers):
    logits, label = map(jnp.asarray, answers)
    both = jnp.stack([logits, logits[:, ::-1]])
    together = summarize(jax.vmap(lambda each: score(each, label, jnp.ones(EXAMPLES, bool)))(both))
    for i in range(2):
        alone = summarize(scored(both[i], label, jnp.ones(EXAMPLES, bool)))
        for name, value in alone.items():
            assert together[name][i] == pytest.approx(value, rel=1e-6), name
