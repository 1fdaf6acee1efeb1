"""`place_boosting` uses private members of scikit-learn: its version is the one it was made for."""

from __future__ import annotations

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingRegressor

MADE_FOR = "1.9."


def test_scikit_learn_is_the_version_that_place_boosting_was_made_for() -> None:
    assert sklearn.__version__.startswith(MADE_FOR), (
        "workers/recipes/place_boosting uses _bin_data, _bin_mapper, _predictors and "
        "_baseline_prediction. Read how this version uses them, run tests/unit/test_training.py, "
        "and then name the version here."
    )


def test_the_private_members_have_the_form_that_is_read() -> None:
    fitted = HistGradientBoostingRegressor(max_iter=2).fit(np.arange(60.0)[:, None], np.arange(60))
    trees = [tree for (tree,) in fitted._predictors]
    read = {
        "is_leaf", "feature_idx", "num_threshold", "left", "right", "missing_go_to_left", "value",
    }  # fmt: skip
    assert all(read <= set(tree.nodes.dtype.names) for tree in trees)
    assert np.ravel(fitted._baseline_prediction).shape == (1,)
    mapper = fitted._bin_mapper
    assert len(mapper.bin_thresholds_[0]) == 59
    assert mapper.n_bins_non_missing_.dtype == np.uint32
    assert (mapper.is_categorical_.dtype, mapper.missing_values_bin_idx_) == (np.uint8, 255)
