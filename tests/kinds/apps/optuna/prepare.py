"""Makes a study with a few trials for Optuna's dashboard."""

from __future__ import annotations

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(storage="sqlite:///study.db", study_name="parabola")
study.optimize(lambda trial: trial.suggest_float("x", -10, 10) ** 2, n_trials=5)
