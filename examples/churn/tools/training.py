"""The churn model: which weeks it learns from, how it is scored on later ones, how it becomes ONNX."""

from dataclasses import dataclass

import lightgbm
import numpy as np
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.metrics import brier_score_loss, roc_auc_score

from snapshots import CHURN_HORIZON_DAYS, FEATURES, churn_labels, column_at, feature_rows

SEED = 2017
TREE_COUNT = 100
BOOTSTRAP_ROUNDS = 200
ONNX_INPUT = "input"

# Weekly snapshots. The first has two months of history behind it. The last training label is known on the day of the
# first held-out snapshot and not later; the last held-out label ends with the last complete day, 2017-12-31.
FIRST_TRAINING_DAY = np.datetime64("2017-03-02")
FIRST_HELD_OUT_DAY = np.datetime64("2017-10-14")
LAST_HELD_OUT_DAY = np.datetime64("2017-12-02")
LAST_TRAINING_DAY = FIRST_HELD_OUT_DAY - CHURN_HORIZON_DAYS


@dataclass(frozen=True)
class LabelledRows:
    """Snapshot rows of several weeks with what happened next."""

    days: np.ndarray
    customer_ids: np.ndarray
    features: np.ndarray
    churned: np.ndarray


def weekly_days(first_day, last_day):
    """Every seventh day from `first_day` to `last_day`, both ends allowed."""
    return np.arange(first_day, last_day + 1, 7)


def labelled_rows(table, activity, days):
    """Stack the snapshots of `days`, features and labels."""
    columns = [column_at(table, day) for day in days]
    return LabelledRows(
        days=days,
        customer_ids=np.concatenate([table.customer_ids[table.known[:, column]] for column in columns]),
        features=np.concatenate([feature_rows(table, column) for column in columns]),
        churned=np.concatenate([churn_labels(table, activity, column) for column in columns]),
    )


def time_split(table, activity):
    """Training weeks and held-out later weeks, with 30 days between so that no training label looks past the split."""
    training = labelled_rows(table, activity, weekly_days(FIRST_TRAINING_DAY, LAST_TRAINING_DAY))
    held_out = labelled_rows(table, activity, weekly_days(FIRST_HELD_OUT_DAY, LAST_HELD_OUT_DAY))
    return training, held_out


def train(rows):
    """Fit the gradient-boosted trees. One thread and `deterministic` make the result the same on every run."""
    classifier = lightgbm.LGBMClassifier(
        n_estimators=TREE_COUNT,
        num_leaves=15,
        learning_rate=0.05,
        min_child_samples=100,
        reg_lambda=1.0,
        random_state=SEED,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )
    classifier.fit(rows.features, rows.churned)
    if classifier.booster_.num_trees() != TREE_COUNT:
        raise RuntimeError(f"trained {classifier.booster_.num_trees()} trees, not {TREE_COUNT}")
    return classifier


def household_bootstrap(rows, probability, baseline):
    """95% intervals of the AUCs, drawing whole households: one household's weeks are not independent."""
    generator = np.random.default_rng(SEED)
    households, household_of_row = np.unique(rows.customer_ids, return_inverse=True)
    aucs = np.empty((BOOTSTRAP_ROUNDS, 3))
    for round_index in range(BOOTSTRAP_ROUNDS):
        draws = np.bincount(generator.integers(len(households), size=len(households)), minlength=len(households))
        weight = draws[household_of_row]
        model_auc = roc_auc_score(rows.churned, probability, sample_weight=weight)
        baseline_auc = roc_auc_score(rows.churned, baseline, sample_weight=weight)
        aucs[round_index] = model_auc, baseline_auc, model_auc - baseline_auc
    low, high = np.quantile(aucs, [0.025, 0.975], axis=0)
    names = ["auc", "auc_of_time_since_last_d_alone", "difference"]
    return {name: [round(float(low[i]), 4), round(float(high[i]), 4)] for i, name in enumerate(names)}


def score(rows, probability):
    """Score by AUC, beside the base rate and a trivial baseline: who has been away longest will stay away longest."""
    baseline = rows.features[:, FEATURES.index("time_since_last_d")]
    active = rows.features[:, FEATURES.index("orders_30d")] > 0
    return {
        "first_snapshot": str(rows.days[0]),
        "last_snapshot": str(rows.days[-1]),
        "snapshots": len(rows.days),
        "rows": len(rows.churned),
        "households": len(np.unique(rows.customer_ids)),
        "base_rate": round(float(rows.churned.mean()), 4),
        "mean_probability": round(float(probability.mean()), 4),
        "auc": round(float(roc_auc_score(rows.churned, probability)), 4),
        "auc_of_time_since_last_d_alone": round(float(roc_auc_score(rows.churned, baseline)), 4),
        "brier_score": round(float(brier_score_loss(rows.churned, probability)), 4),
        "with_an_order_in_30_days": {
            "rows": int(active.sum()),
            "base_rate": round(float(rows.churned[active].mean()), 4),
            "auc": round(float(roc_auc_score(rows.churned[active], probability[active])), 4),
            "auc_of_time_since_last_d_alone": round(float(roc_auc_score(rows.churned[active], baseline[active])), 4),
        },
        "intervals_95_percent": household_bootstrap(rows, probability, baseline),
    }


def to_onnx(classifier):
    """Export with the converter's defaults: one [N, 4] float input; label, and probabilities as a ZipMap of class."""
    return convert_lightgbm(
        classifier, name="churn", initial_types=[(ONNX_INPUT, FloatTensorType([None, len(FEATURES)]))]
    )
